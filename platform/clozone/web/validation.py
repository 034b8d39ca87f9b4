"""Pydantic's findings in plain words, never with the value that was sent."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict

from clozone.kit.errors import Invalid

M = TypeVar("M", bound=BaseModel)

# Messages of pydantic that are unclear to the sender, or that quote what was sent.
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "uuid_parsing": "is not a valid id",
    "uuid_type": "is not a valid id",
    "union_tag_invalid": "is of an unknown kind",
    "model_type": "should be an object",
    "model_attributes_type": "should be an object",
    "dict_type": "should be an object",
    "list_type": "should be a list",
    "timezone_aware": "needs a time zone, for instance Z",
}
_SEQUENCES = (list, tuple, set, frozenset)


def validated(validate: Callable[[], M]) -> M:
    """What `validate` returns. Raises Invalid in place of pydantic's ValidationError."""
    try:
        return validate()
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise _invalid([_finding(detail) for detail in details]) from None


def read_query(model: type[M], args: MultiDict[str, str]) -> M:
    """The query string as `model`. A field given twice is refused unless it holds a list."""
    lists = {
        field.alias or name
        for name, field in model.model_fields.items()
        if _holds_list(field.annotation)
    }
    repeated = [key for key in args if key not in lists and len(args.getlist(key)) > 1]
    if repeated:
        raise _invalid([{"field": key, "message": "is given more than once"} for key in repeated])
    values = {key: args.getlist(key) if key in lists else args[key] for key in args}
    refuse_nul(values)
    return validated(lambda: model.model_validate(values))


def refuse_nul(value: Any) -> None:
    """Raise Invalid if a text anywhere in `value` holds a NUL, which PostgreSQL cannot store."""
    fields = list(dict.fromkeys(_nul_fields(value)))
    if fields:
        raise _invalid(
            [{"field": field, "message": "must not contain a NUL character"} for field in fields]
        )


def _nul_fields(value: Any) -> Iterable[str]:
    # Not recursive: how deep the value is nested is up to the sender.
    found: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while found:
        item, path = found.pop()
        if isinstance(item, str) and "\0" in item:
            yield _field(path)
        elif isinstance(item, dict):
            if any("\0" in key for key in item):
                yield _field(path)
            found.extend((part, (*path, key)) for key, part in item.items() if "\0" not in key)
        elif isinstance(item, list):
            found.extend((part, (*path, index)) for index, part in enumerate(item))


def _finding(detail: ErrorDetails) -> dict[str, str]:
    message = _MESSAGES.get(detail["type"])
    if message is None:
        message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return {"field": _field(detail["loc"]), "message": message}


def _field(path: tuple[str | int, ...]) -> str:
    """A path as people write it: `criteria[0].weight`; empty for the whole."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _invalid(findings: list[dict[str, str]]) -> Invalid:
    first = findings[0]
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    return Invalid(f"{first['field'] or 'The request'} {first['message']}{more}.", errors=findings)


def _holds_list(annotation: Any) -> bool:
    if get_origin(annotation) in _SEQUENCES or annotation in _SEQUENCES:
        return True
    return any(_holds_list(part) for part in get_args(annotation))
