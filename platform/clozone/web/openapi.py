"""The OpenAPI 3.1 document, written from what `operation` declares.

Pydantic makes all schemas in one go, so that a model whose input and output differ gets two names
and nothing is described twice.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from quart import Quart
from werkzeug.routing import Rule

from clozone.web.guard import API_KEY_HEADER
from clozone.web.openapi_errors import PROBLEM_SCHEMAS, RATE_LIMIT_HEADERS, error_responses
from clozone.web.operation import Operation, Raw, operation_of

REF = "#/components/schemas/{model}"
_PATH_TYPES: dict[str, dict[str, Any]] = {
    "UUIDConverter": {"type": "string", "format": "uuid"},
    "IntegerConverter": {"type": "integer"},
}
_UNDECLARED_METHODS = {"HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class _Route:
    id: str
    path: str
    method: str
    tag: str
    rule: Rule
    spec: Operation
    doc: str


def openapi_document(app: Quart, *, title: str, version: str, description: str) -> dict[str, Any]:
    """The document of all operations registered on `app`."""
    routes = sorted(_routes(app), key=lambda route: (route.path, route.method))
    schemas, components = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = _operation(route, schemas, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({route.tag for route in routes})],
        "paths": paths,
        "components": {
            "schemas": dict(sorted((components | PROBLEM_SCHEMAS).items())),
            "headers": RATE_LIMIT_HEADERS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "apiKey": {"type": "apiKey", "in": "header", "name": API_KEY_HEADER},
            },
        },
    }


def _routes(app: Quart) -> Iterator[_Route]:
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        spec = operation_of(view)
        if spec is None:
            continue
        path = "".join(
            f"{{{part}}}" if is_dynamic else part for is_dynamic, part in rule._trace
        ).removeprefix("|")
        for method in sorted((rule.methods or set()) - _UNDECLARED_METHODS):
            yield _Route(
                id=rule.endpoint.replace(".", "_"),
                path=path,
                method=method.lower(),
                tag=rule.endpoint.partition(".")[0],
                rule=rule,
                spec=spec,
                doc=inspect.getdoc(view) or rule.endpoint,
            )


def _schemas(routes: list[_Route]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """Schemas by (route id, part, mode), and the named ones they refer to."""
    inputs: list[tuple[Any, Any, TypeAdapter[Any]]] = []
    for route in routes:
        if route.spec.body is not None:
            inputs.append(((route.id, "body"), "validation", TypeAdapter(route.spec.body)))
        for status, adapter in route.spec.adapters.items():
            inputs.append(((route.id, status), "serialization", adapter))
    by_key, shared = TypeAdapter.json_schemas(inputs, ref_template=REF)
    schemas = {key: schema for (key, _), schema in by_key.items()}
    return schemas, dict(shared.get("$defs", {}))


def _operation(
    route: _Route, schemas: dict[Any, dict[str, Any]], components: dict[str, Any]
) -> dict[str, Any]:
    spec = route.spec
    summary, _, text = route.doc.partition("\n")
    parameters = [_path_parameter(route.rule, name) for name in sorted(route.rule.arguments)]
    if spec.query is not None:
        parameters += _query_parameters(spec.query, components)
    document: dict[str, Any] = {
        "operationId": route.id,
        "summary": summary.rstrip("."),
        "description": "\n\n".join(part for part in (text.strip(), _access(spec)) if part),
        "tags": [route.tag],
        "security": [{"bearer": []}, {"apiKey": []}] if spec.allow else [],
        "responses": error_responses(
            spec, method=route.method, has_path_parameters=bool(route.rule.arguments)
        )
        | _successes(route, schemas),
    }
    if parameters:
        document["parameters"] = parameters
    if spec.body is not None:
        content = {"application/json": {"schema": schemas[route.id, "body"]}}
        document["requestBody"] = {"required": True, "content": content}
    return document


def _access(spec: Operation) -> str:
    if spec.allow is None:
        return "Public."
    scope = f", for an API key the scope `{spec.scope}`" if spec.scope else ""
    return f"Needs the role `{spec.allow.value}` or a higher one{scope}."


def _successes(route: _Route, schemas: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, model in route.spec.returns.items():
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if isinstance(model, Raw):
            response["content"] = {model.media_type: {"schema": {"type": "string"}}}
        elif model is not None:
            response["content"] = {"application/json": {"schema": schemas[route.id, status]}}
        if route.spec.limit is not None:
            names = ("RateLimit", "RateLimit-Policy")
            response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        responses[str(status)] = response
    return responses


def _path_parameter(rule: Rule, name: str) -> dict[str, Any]:
    schema = _PATH_TYPES.get(type(rule._converters[name]).__name__, {"type": "string"})
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(model: type[BaseModel], components: dict[str, Any]) -> list[dict[str, Any]]:
    document = model.model_json_schema(ref_template=REF)
    components.update(document.pop("$defs", {}))
    parameters = []
    for name, found in document.get("properties", {}).items():
        schema = _without_null(found)
        parameter = {"name": name, "in": "query", "schema": schema}
        if name in document.get("required", []):
            parameter["required"] = True
        if text := schema.pop("description", None):
            parameter["description"] = text
        parameters.append(parameter)
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query says nothing by leaving a field out, not by null."""
    schema = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    alternatives: list[dict[str, Any]] = schema.pop("anyOf", [])
    options = [option for option in alternatives if option != {"type": "null"}]
    if len(options) == 1:
        return options[0] | schema
    return schema | ({"anyOf": options} if options else {})
