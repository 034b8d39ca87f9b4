"""What a client accepts and what it has, out of two header fields (RFC 9110)."""

import re
from functools import lru_cache

_TAG = re.compile(r'(?:W/)?("[^"]*")')
_GZIP = ("gzip", "x-gzip")


def accepts_gzip(accept_encoding: bytes | str | None) -> bool:
    """Whether gzip may be sent, and is not liked less than plain bytes (12.5.3)."""
    return bool(accept_encoding) and _accepts_gzip(accept_encoding)


@lru_cache(maxsize=256)  # browsers of a kind all send the same
def _accepts_gzip(accept_encoding: bytes | str) -> bool:
    weights = _weights(_text(accept_encoding))
    named = [weights[name] for name in _GZIP if name in weights]
    compressed = max(named) if named else weights.get("*", 0.0)
    return compressed > 0 and compressed >= weights.get("identity", 0.0)


def _weights(field: str) -> dict[str, float]:
    weights = {}
    for part in field.lower().split(","):
        coding, _, parameters = part.partition(";")
        name, _, value = parameters.partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            weight = 0.0
        weights[coding.strip()] = weight
    return weights


def names_tag(if_none_match: bytes | str, etag: str) -> bool:
    """Whether the field names this tag, compared weakly, or any tag by `*` (13.1.2)."""
    field = _text(if_none_match).strip()
    return field == "*" or etag in _TAG.findall(field)


def _text(field: bytes | str) -> str:
    return field.decode("latin-1") if isinstance(field, bytes) else field
