"""What organisations can be told of, and what a message says.

The code in which something happens says so by `jobs.notices.tell`, in its own transaction.
"""

from enum import StrEnum
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import orjson

from clozone.kit.clock import from_epoch_ms, iso

TEST = "endpoint.test"


class EventType(StrEnum):
    """The events that an endpoint can subscribe to."""

    session_graded = "session.graded"
    session_reviewed = "session.reviewed"
    export_ready = "export.ready"
    budget_reached = "budget.reached"


def message_id(origin: UUID) -> str:
    """The id of the message that `origin`, a job or whatever else caused it, gives rise to."""
    return f"msg_{origin.hex}"


def message_body(origin: UUID, event: str, data: dict[str, Any], public_url: str) -> str:
    """The JSON text of a message: `type`, `timestamp`, `data`.

    It happened when `origin` was made, which its id, a UUIDv7, tells. A path in `data["url"]`
    becomes an address below `public_url`.
    """
    links = {"url": urljoin(public_url, data["url"])} if "url" in data else {}
    body = {
        "type": event,
        "timestamp": iso(from_epoch_ms(origin.int >> 80)),
        "data": data | links,
    }
    return orjson.dumps(body).decode()
