"""Endpoints as administrators manage them."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from clozone.accounts import audit
from clozone.accounts.service.acting import as_stored
from clozone.infra.outbound import Outbound, OutboundFailed, OutboundRefused
from clozone.kit.clock import now
from clozone.kit.errors import Conflict, Invalid, NotFound
from clozone.kit.ids import new_id
from clozone.kit.pagination import Page, PageQuery, Position, page_of
from clozone.models.notifications import NotificationDelivery, NotificationEndpoint
from clozone.notifications.circuit import Circuit
from clozone.notifications.events import TEST, message_body, message_id
from clozone.notifications.repository import deliveries, endpoints
from clozone.notifications.schemas import EndpointChange, NewEndpoint
from clozone.notifications.service import sending
from clozone.notifications.service.dispatch import dispatch
from clozone.notifications.service.holding import release_now
from clozone.notifications.signing import new_secret
from clozone.web.identity import Actor, Role

LIST = "notification-endpoints"
MOST_ENDPOINTS = 10
_NAME_LOOKUP_SECONDS = 2.0


def check_url(client: Outbound, url: str) -> None:
    """Raise Invalid for an address that messages could never be sent to.

    To be called outside any unit of work: it may look up a name. One that is not found now may be
    later; each sending looks again.
    """
    try:
        client.check(url, timeout=_NAME_LOOKUP_SECONDS)
    except OutboundFailed:
        return
    except OutboundRefused as error:
        raise Invalid(
            f"url is not acceptable: {error}.", errors=[{"field": "url", "message": str(error)}]
        ) from error


def create(actor: Actor, body: NewEndpoint) -> tuple[dict[str, Any], str]:
    """A new endpoint, as shown, and its secret.

    Raises Conflict when the organisation has as many as it may have.
    """
    actor = as_stored(actor, least=Role.admin)
    # The organisation is locked, so that two callers cannot both take the last place.
    if endpoints.count() >= MOST_ENDPOINTS:
        raise Conflict(
            f"An organisation has at most {MOST_ENDPOINTS} endpoints: delete one, or let an "
            "existing one receive these events too."
        )
    moment, secret = now(), new_secret()
    endpoint = endpoints.add(
        org_id=actor.org_id,
        url=body.url,
        description=body.description,
        events=list(body.events),
        enabled=body.enabled,
        disabled_reason=None if body.enabled else "requested",
        disabled_at=None if body.enabled else moment,
        secret=secret,
        created_by=actor.user_id,
        created_at=moment,
        updated_at=moment,
    )
    _record(actor, "created", endpoint.id, _told(endpoint.url, endpoint.events))
    return shown(endpoint), secret


def list_page(query: PageQuery) -> Page[dict[str, Any]]:
    """The organisation's endpoints, newest first."""
    rows = [shown(row) for row in endpoints.page(query.position(LIST), query.limit)]
    return page_of(rows, query.limit, LIST, lambda row: Position(row["created_at"], row["id"]))


def read(endpoint_id: UUID) -> dict[str, Any]:
    """An endpoint. Raises NotFound."""
    return shown(found(endpoints.by_id(endpoint_id)))


def change(actor: Actor, endpoint_id: UUID, body: EndpointChange) -> dict[str, Any]:
    """The endpoint with what was given changed. Raises NotFound.

    Disabling it ends what is on its way to it.
    """
    actor = as_stored(actor, least=Role.admin)
    endpoint = found(endpoints.lock(endpoint_id))
    moment = now()
    values: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "events" in values:
        values["events"] = list(values["events"])
    enabled = values.get("enabled", endpoint.enabled)
    if enabled != endpoint.enabled:
        values["disabled_reason"] = None if enabled else "requested"
        values["disabled_at"] = None if enabled else moment
    if not enabled:
        deliveries.fail_pending(endpoint_id, sending.DISABLED, moment)
    if (enabled and not endpoint.enabled) or values.get("url", endpoint.url) != endpoint.url:
        endpoints.set_circuit(endpoint_id, Circuit())
        release_now(endpoint)
    endpoints.update(endpoint_id, **values, updated_at=moment)
    endpoint = found(endpoints.by_id(endpoint_id))
    _record(
        actor,
        "changed",
        endpoint_id,
        {"fields": sorted(body.model_fields_set), **_told(endpoint.url, endpoint.events)},
    )
    return shown(endpoint)


def delete(actor: Actor, endpoint_id: UUID) -> None:
    """Remove an endpoint with its log; what is on its way to it is not sent. Raises NotFound."""
    actor = as_stored(actor, least=Role.admin)
    if not endpoints.delete(endpoint_id):
        raise NotFound("There is no such endpoint.")
    _record(actor, "deleted", endpoint_id)


def rotate_secret(
    actor: Actor, endpoint_id: UUID, grace_seconds: int
) -> tuple[dict[str, Any], str]:
    """Give the endpoint a new secret; the former signs too for the grace time. Raises NotFound.

    An earlier one that was still signing ends at once: two are live at most.
    """
    actor = as_stored(actor, least=Role.admin)
    endpoint = found(endpoints.lock(endpoint_id))
    moment, secret = now(), new_secret()
    endpoints.update(
        endpoint_id,
        secret=secret,
        previous_secret=endpoint.secret if grace_seconds else None,
        previous_secret_expires_at=(
            moment + timedelta(seconds=grace_seconds) if grace_seconds else None
        ),
        updated_at=moment,
    )
    _record(actor, "secret_rotated", endpoint_id, {"grace_seconds": grace_seconds})
    return read(endpoint_id), secret


def send_test(endpoint_id: UUID, public_url: str) -> NotificationDelivery:
    """Send a message that only says that the way is open. Raises NotFound, Conflict if disabled."""
    endpoint = found(endpoints.by_id(endpoint_id))
    if not endpoint.enabled:
        raise Conflict("The endpoint is disabled. Enable it first.")
    origin = new_id()
    data = {"endpoint_id": str(endpoint_id), "url": f"/api/notification-endpoints/{endpoint_id}"}
    return dispatch(
        endpoint, TEST, message_id(origin), message_body(origin, TEST, data, public_url), early=True
    )


def shown(endpoint: NotificationEndpoint) -> dict[str, Any]:
    """An endpoint in the shape of EndpointAnswer: what an administrator sees, without secrets."""
    names = ("id", "url", "description", "events", "enabled", "disabled_reason", "disabled_at")
    circuit, moment = endpoints.circuit_of(endpoint), now()
    expires = endpoint.previous_secret_expires_at
    return {
        **{name: getattr(endpoint, name) for name in names},
        "circuit": {
            "state": circuit.state(moment),
            "failures": circuit.failures,
            "failing_since": circuit.failing_since,
            "open_until": circuit.open_until,
        },
        "previous_secret_expires_at": expires if expires and expires > moment else None,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def found(endpoint: NotificationEndpoint | None) -> NotificationEndpoint:
    """The endpoint. Raises NotFound for None."""
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    return endpoint


def _told(url: str, events: list[str]) -> dict[str, Any]:
    # The path may hold a token of the receiver's.
    return {"host": urlsplit(url).hostname, "events": list(events)}


def _record(
    actor: Actor, what: str, endpoint_id: UUID, details: dict[str, Any] | None = None
) -> None:
    audit.record(
        actor, f"notification_endpoint.{what}", "notification_endpoint", endpoint_id, details
    )
