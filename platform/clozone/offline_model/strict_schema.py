"""What strict structured outputs ask of a schema, and the smallest answer that fits one."""

from collections.abc import Iterator, Mapping
from typing import Any

from clozone.offline_model.errors import bad_request

_OF_FORMAT = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "nobody@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_UNSUPPORTED = ("allOf", "not", "if", "dependentRequired", "pattern", "multipleOf")
_DEEPEST = 40


def refuse_unless_strict(name: str, schema: Mapping[str, Any]) -> None:
    """Raise a 400 in OpenAI's words unless every object is closed and requires all its fields."""
    if schema.get("type") != "object":
        raise _invalid(name, "()", "schema must be a JSON Schema of 'type: \"object\"'")
    for path, part in _objects(schema, ()):
        context = f"({', '.join(map(repr, path))})"
        if part.get("additionalProperties") is not False:
            raise _invalid(name, context, "'additionalProperties' must be supplied and be false")
        if sorted(part.get("required", ())) != sorted(part.get("properties", {})):
            raise _invalid(name, context, "'required' must be supplied and list every property")


def smallest_instance(schema: Mapping[str, Any]) -> Any:
    """A minimal value that validates. Raises a 400 for what it cannot build (`pattern`, …)."""
    return _instance(schema, schema, 0)


def _invalid(name: str, context: str, reason: str) -> Exception:
    return bad_request(
        f"Invalid schema for response_format '{name}': In context={context}, {reason}.",
        param="response_format",
        code="invalid_json_schema",
    )


def _objects(
    schema: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if not isinstance(schema, Mapping):
        raise bad_request(f"The schema at {path} is not an object.", param="response_format")
    kinds = schema.get("type")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds):
        yield path, schema
    for key in ("properties", "$defs", "definitions"):
        for name, part in schema.get(key, {}).items():
            yield from _objects(part, (*path, key, name))
    for number, part in enumerate(schema.get("anyOf", ())):
        yield from _objects(part, (*path, "anyOf", str(number)))
    if "items" in schema:
        yield from _objects(schema["items"], (*path, "items"))


def _instance(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        raise bad_request("The schema nests without end.", param="response_format")
    for word in _UNSUPPORTED:
        if word in schema:
            raise bad_request(f"This model cannot answer '{word}'.", param="response_format")
    if "$ref" in schema:
        return _instance(_referred(schema["$ref"], root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _instance(_simplest(schema[word]), root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kinds = schema.get("type", "object")
    kind = ("null" if "null" in kinds else kinds[0]) if isinstance(kinds, list) else kinds
    if kind == "object":
        return {
            name: _instance(part, root, depth + 1)
            for name, part in schema.get("properties", {}).items()
        }
    if kind == "array":
        return [
            _instance(schema.get("items", {}), root, depth + 1)
            for _ in range(schema.get("minItems", 0))
        ]
    if kind == "string":
        text = _OF_FORMAT.get(schema.get("format", ""), "")
        return text.ljust(schema.get("minLength", 0), "-")
    if kind in {"integer", "number"}:
        return _number(schema)
    return {"boolean": False, "null": None}.get(kind)


def _number(schema: Mapping[str, Any]) -> int | float:
    least: int | float = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    most: int | float = schema.get("maximum", schema.get("exclusiveMaximum", 1) - 1)
    if "minimum" in schema or "exclusiveMinimum" in schema:
        return least if least > 0 else min(0, max(most, least))
    return min(0, most)


def _simplest(choices: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((choice for choice in choices if choice.get("type") == "null"), choices[0])


def _referred(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            found = found.get(step, {})
    return found  # type: ignore[no-any-return]
