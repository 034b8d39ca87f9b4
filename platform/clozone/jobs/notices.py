"""Telling organisations' own systems of what happens, from wherever it happens."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from clozone.jobs.enqueue import enqueue

_FAN_OUT = "notifications.fan_out"


def tell(event: str, data: Mapping[str, Any], *, org_id: UUID | None = None) -> UUID:
    """Tell every endpoint that wants to know of `event`, in the transaction in which it happens.

    Returns the id of the job that does it. `data` holds ids, figures and `url`, a path of our API;
    never a transcript, a name or an address. `org_id` defaults to the organisation of the scope in
    use; without one, in the platform's scope, every organisation is told.
    """
    return enqueue(_FAN_OUT, {"type": event, "data": data}, org_id=org_id)
