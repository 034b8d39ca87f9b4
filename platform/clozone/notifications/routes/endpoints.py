"""Notification endpoints: /api/notification-endpoints."""

from typing import Any, cast
from uuid import UUID

from quart import Blueprint, current_app

from clozone.infra.outbound import Outbound
from clozone.kit.errors import Conflict
from clozone.kit.pagination import Page, PageQuery
from clozone.models.notifications import NotificationDelivery
from clozone.notifications.schemas import (
    DeliveryAnswer,
    EndpointAnswer,
    EndpointChange,
    NewEndpoint,
    NewEndpointAnswer,
    SecretRotation,
)
from clozone.notifications.service import endpoints
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, offload_plain, offload_read
from clozone.web.operation import operation

blueprint = Blueprint("notification_endpoints", __name__, url_prefix="/api/notification-endpoints")

OUTBOUND = "outbound"


@blueprint.get("")
@operation(allow=Role.admin, scope="admin", query=PageQuery, returns={200: Page[EndpointAnswer]})
async def list_endpoints(actor: Actor, query: PageQuery) -> Page[dict[str, Any]]:
    """List the organisation's notification endpoints, newest first, without their secrets."""
    return await offload_read(endpoints.list_page, query)


@blueprint.post("")
@operation(
    allow=Role.admin,
    scope="admin",
    body=NewEndpoint,
    returns={201: NewEndpointAnswer},
    errors=(Conflict,),
)
async def create_endpoint(actor: Actor, body: NewEndpoint) -> dict[str, Any]:
    """Register an address that is to be told of events.

    The secret that its messages are signed with is in this answer and never shown again.
    """
    await _check(body.url)
    made, secret = await offload(endpoints.create, actor, body)
    return made | {"secret": secret}


@blueprint.get("/<uuid:endpoint_id>")
@operation(allow=Role.admin, scope="admin", returns={200: EndpointAnswer})
async def read_endpoint(actor: Actor, endpoint_id: UUID) -> dict[str, Any]:
    """Read an endpoint: what it receives, and whether messages get through to it."""
    return await offload(endpoints.read, endpoint_id)


@blueprint.patch("/<uuid:endpoint_id>")
@operation(allow=Role.admin, scope="admin", body=EndpointChange, returns={200: EndpointAnswer})
async def change_endpoint(actor: Actor, endpoint_id: UUID, body: EndpointChange) -> dict[str, Any]:
    """Change an endpoint's address, events or description; disable it, or enable it again.

    Disabling ends what is on its way. Enabling, or another address, closes the circuit.
    """
    if "url" in body.model_fields_set:
        await _check(body.url)
    return await offload(endpoints.change, actor, endpoint_id, body)


@blueprint.delete("/<uuid:endpoint_id>")
@operation(allow=Role.admin, scope="admin", returns={204: None})
async def delete_endpoint(actor: Actor, endpoint_id: UUID) -> None:
    """Delete an endpoint and its delivery log, for good."""
    await offload(endpoints.delete, actor, endpoint_id)


@blueprint.post("/<uuid:endpoint_id>/rotate-secret")
@operation(allow=Role.admin, scope="admin", body=SecretRotation, returns={200: NewEndpointAnswer})
async def rotate_secret(actor: Actor, endpoint_id: UUID, body: SecretRotation) -> dict[str, Any]:
    """Give an endpoint a new secret, which is in this answer and never shown again.

    Messages carry the former secret's signature too, for `grace_seconds`.
    """
    changed, secret = await offload(endpoints.rotate_secret, actor, endpoint_id, body.grace_seconds)
    return changed | {"secret": secret}


@blueprint.post("/<uuid:endpoint_id>/test")
@operation(allow=Role.admin, scope="admin", returns={202: DeliveryAnswer}, errors=(Conflict,))
async def send_test(actor: Actor, endpoint_id: UUID) -> NotificationDelivery:
    """Send an endpoint a test message (`endpoint.test`), whatever its events are.

    It is sent at once, also while the circuit is open; the delivery log says what came of it.
    """
    public_url = current_app.extensions["settings"].public_url
    return await offload(endpoints.send_test, endpoint_id, public_url)


async def _check(url: str) -> None:
    client = cast(Outbound, current_app.extensions[OUTBOUND])
    await offload_plain(endpoints.check_url, client, url)
