"""The key under which a delivery is stored once, however often and in whatever dress it arrives.

Vapi sends no delivery id, and a call's id repeats in all messages of the call. So the key hashes
what the message says and leaves out what changes when the same thing is said again.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from clozone.webhooks.body import DEEPEST_NESTING

# Of an address only its presence counts: signing changes the query and may change the host.
_ADDRESS_KEY = re.compile(r"(?:url|urls|uri)$", re.IGNORECASE)
# When it was sent or last touched, and until when the addresses hold: nothing about the call.
_DELIVERY_TIMES = frozenset(
    {
        "timestamp",
        "updatedAt",
        "presignedUrlsExpiresAt",
        "structuredOutputsLastUpdatedAt",
    }
)


def delivery_key(
    message_type: str, call_id: str | None, message: Mapping[str, Any], provider: str = "vapi"
) -> str:
    """64 hex digits: SHA-256 over provider, call id, message type and the message's meaning.

    Equal for messages that differ only in the order of keys, in addresses (presigned or not), in
    the query of any other string that is an address, or in the time of delivery.
    """
    meaning = [provider, call_id, message_type, _meaning(message, DEEPEST_NESTING)]
    canonical = json.dumps(meaning, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _meaning(value: Any, levels: int) -> Any:
    if isinstance(value, Mapping):
        if not levels:
            return "…"
        return {
            str(key): bool(item) if _ADDRESS_KEY.search(str(key)) else _meaning(item, levels - 1)
            for key, item in value.items()
            if key not in _DELIVERY_TIMES
        }
    if isinstance(value, list):
        return [_meaning(item, levels - 1) for item in value] if levels else "…"
    if isinstance(value, str):
        return _without_query(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 5 and 5.0 are one number in JSON
    return value


def _without_query(text: str) -> str:
    if "://" not in text[:12] or len(text.split()) != 1:
        return text
    try:
        return urlunsplit(urlsplit(text)._replace(query="", fragment=""))
    except ValueError:  # looks like an address, but is none
        return text
