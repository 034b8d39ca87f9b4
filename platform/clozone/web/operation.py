"""The one decorator of every API route: who may call, how often, with what, and what comes back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from quart import Response, request
from werkzeug.wrappers import Response as WerkzeugResponse

from clozone.kit.errors import DomainError, Unauthenticated
from clozone.web.body import read_body
from clozone.web.encoding import json_response
from clozone.web.guard import READ_METHODS, admit, enter_organisation, identify
from clozone.web.identity import Actor, Role
from clozone.web.rate_limit import limit_caller, limit_refused
from clozone.web.replica_reads import note_write
from clozone.web.validation import read_query

Limit = Literal["default", "api", "user", "strict"] | None
BodyLimit = Literal["api", "webhook"]
Handler = Callable[..., Awaitable[Any]]
_ATTRIBUTE = "__clozone_operation__"


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not JSON, for instance `Raw("text/event-stream")`; a ready Response."""

    media_type: str


@dataclass(frozen=True, slots=True)
class Operation:
    """What is declared about a route; the OpenAPI document is written from it."""

    allow: Role | None
    scope: str | None
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    returns: Mapping[int, Any]
    errors: tuple[type[DomainError], ...]
    limit: Limit
    max_body: BodyLimit
    adapters: Mapping[int, TypeAdapter[Any]]


def operation(
    *,
    allow: Role | None,
    scope: str | None = None,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    returns: Mapping[int, Any],
    errors: tuple[type[DomainError], ...] = (),
    limit: Limit = "default",
    max_body: BodyLimit = "api",
) -> Callable[[Handler], Handler]:
    """Turn an async handler into a route.

    - `allow`: the least role, or None for a public route. With a role, the handler gets `actor`.
    - `scope`: what an API key needs; default `read` for GET, `write` for the rest.
    - `body`, `query`: models that forbid unknown fields; passed by these names.
    - `returns`: status → model, `list[Model]`, `Raw`, or None for no content. The first is the
      default.
    - `errors`: refusals to document beyond those that follow from the rest.
    - `limit`: "default" counts a person under `user`, an API key under `key`, callers of public
      routes under `api`; "strict" for grading on demand; None for webhooks and health. Where
      credentials are needed and no good, the request counts under `credentials`: docs/rate-limits.md.
    - `max_body`: whose size limit holds, our API's or the webhooks'.

    Path parameters come by name. The handler returns a value, `(value, status)`,
    `(value, headers)` or `(value, status, headers)`; the value is a model, or anything with the
    model's attributes. A ready `Response` is passed on untouched.
    """
    for model in (body, query):
        if model is not None and model.model_config.get("extra") != "forbid":
            raise TypeError(
                f"{model.__name__} must forbid unknown fields: use web.schema.RequestModel"
            )
    spec = Operation(
        allow=allow,
        scope=scope,
        body=body,
        query=query,
        returns=returns,
        errors=errors,
        limit=limit,
        max_body=max_body,
        adapters={
            status: TypeAdapter(model)
            for status, model in returns.items()
            if model is not None and not isinstance(model, Raw)
        },
    )

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def route(**path: Any) -> Response | WerkzeugResponse:
            arguments = dict(path)
            actor = await _caller(spec)
            if spec.allow is not None and actor is not None:
                enter_organisation(actor)
                admit(actor, spec.allow, spec.scope)
                arguments["actor"] = actor
            if spec.query is not None:
                arguments["query"] = read_query(spec.query, request.args)
            if spec.body is not None:
                arguments["body"] = await read_body(spec.body)
            try:
                result = await handler(**arguments)
            finally:
                if request.method not in READ_METHODS:
                    await note_write()
            return _answer(spec, result)

        setattr(route, _ATTRIBUTE, spec)
        return route

    return decorate


def operation_of(view: Callable[..., Any] | None) -> Operation | None:
    """What `operation` declared about a view function, or None for one without it."""
    return getattr(view, _ATTRIBUTE, None)


async def _caller(spec: Operation) -> Actor | None:
    """Who calls, counted against the limit. Refused credentials count apart."""
    if spec.allow is None:
        await limit_caller(spec.limit, None)
        return None
    try:
        actor = await identify()
    except Unauthenticated:
        await limit_refused(spec.limit)
        raise
    await limit_caller(spec.limit, actor)
    return actor


def _answer(spec: Operation, result: Any) -> Response | WerkzeugResponse:
    if isinstance(result, Response | WerkzeugResponse):
        return result
    value, status, headers = result, next(iter(spec.returns)), {}
    if isinstance(result, tuple):
        value, *rest = result
        for part in rest:
            if isinstance(part, int):
                status = part
            else:
                headers = dict(part)
    if spec.returns[status] is None:
        return Response(b"", status, headers=headers)
    if status not in spec.adapters:
        raise TypeError("an answer that is not JSON has to be a ready Response")
    # Whatever the service returned leaves in the shape the document promises, or not at all.
    shaped = spec.adapters[status].validate_python(value, from_attributes=True)
    return json_response(shaped, status, headers)
