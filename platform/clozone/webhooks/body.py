"""The body of a webhook, read so that nothing a sender writes can hurt a later step."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from clozone.kit.errors import BadRequest, Invalid

# Vapi's own messages nest some fifteen levels; structured data of an operator may add a few.
DEEPEST_NESTING = 100
_LONGEST_INTEGER_DIGITS = 18
# Neither PostgreSQL's text nor its jsonb can hold these, and UTF-8 cannot spell a lone surrogate.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def read_message(body: bytes) -> dict[str, Any]:
    """The object under "message" in the body.

    NUL characters and lone surrogates are removed from every string; NaN, infinities and numbers
    beyond any float become null, integers beyond 18 digits become floats, and of duplicate keys the
    last one counts.
    Raises BadRequest for what is no JSON or nests deeper than DEEPEST_NESTING (a delivery cut short:
    sending it again helps), and Invalid for JSON without a message object (not Vapi's).
    """
    try:
        # A stray byte in one word is no reason to lose a whole call, hence `replace`.
        document = _DECODER.decode(body.decode("utf-8-sig", "replace"))
        document = _storable(document, DEEPEST_NESTING)
    except ValueError:
        raise BadRequest("The body is not JSON. Was it cut short?") from None
    except RecursionError:
        raise BadRequest(f"The body nests deeper than {DEEPEST_NESTING} levels.") from None
    message = document.get("message") if isinstance(document, Mapping) else None
    if not isinstance(message, dict):
        raise Invalid('The body must be an object with an object under "message".')
    return message


def _integer(digits: str) -> int | float | None:
    return int(digits) if len(digits) <= _LONGEST_INTEGER_DIGITS else _float(digits)


def _float(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _storable(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if isinstance(value, dict):
        if not levels:
            raise RecursionError
        return {_UNSTORABLE.sub("", k): _storable(v, levels - 1) for k, v in value.items()}
    if isinstance(value, list):
        if not levels:
            raise RecursionError
        return [_storable(item, levels - 1) for item in value]
    return value


# Not strict: a raw control character inside a string is untidy, not unreadable.
_DECODER = json.JSONDecoder(
    strict=False, parse_int=_integer, parse_float=_float, parse_constant=lambda _: None
)
