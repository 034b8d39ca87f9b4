"""Who changed what, written in the transaction of the change."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from quart import has_request_context

from clozone.infra.postgres import current_scope
from clozone.kit.context import current_request_id
from clozone.models.accounts import AuditEntry
from clozone.web.identity import Actor
from clozone.web.rate_limit import caller_address


def record(
    actor: Actor | None,
    action: str,
    target_type: str,
    target_id: UUID | None,
    details: Mapping[str, Any] | None = None,
    *,
    org_id: UUID | None = None,
) -> None:
    """Note a change in the current unit of work.

    `actor` is None for the command line. `action` is subject and participle: "user.created".
    `details` is JSON about the change, without secrets. `org_id`: needed in the platform's scope,
    elsewhere it is the organisation in use. Request id and address come from the request at hand.
    """
    AuditEntry.create(
        org_id=org_id or current_scope().org_id,
        actor_id=_actor_id(actor),
        actor_kind=_actor_kind(actor),
        action=action,
        target_type=target_type,
        target_id=target_id,
        details=dict(details or {}),
        request_id=current_request_id(),
        address=caller_address() if has_request_context() else None,
    )


def _actor_id(actor: Actor | None) -> UUID | None:
    return (actor.api_key_id or actor.user_id) if actor else None


def _actor_kind(actor: Actor | None) -> str:
    if actor is None:
        return "cli"
    return "api_key" if actor.api_key_id else "user"
