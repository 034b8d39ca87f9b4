"""API keys: /api/api-keys."""

from typing import Any
from uuid import UUID

from quart import Blueprint

from clozone.accounts.schemas import ApiKeyAnswer, NewApiKey, NewApiKeyAnswer
from clozone.accounts.service import api_keys
from clozone.kit.pagination import Page, PageQuery
from clozone.models.accounts import ApiKey
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, offload_read
from clozone.web.operation import operation

blueprint = Blueprint("api_keys", __name__, url_prefix="/api/api-keys")


@blueprint.get("")
@operation(allow=Role.admin, scope="admin", query=PageQuery, returns={200: Page[ApiKeyAnswer]})
async def list_api_keys(actor: Actor, query: PageQuery) -> Page[ApiKey]:
    """List the organisation's API keys, newest first, without their secrets."""
    return await offload_read(api_keys.list_page, query)


@blueprint.post("")
@operation(allow=Role.admin, scope="admin", body=NewApiKey, returns={201: NewApiKeyAnswer})
async def create_api_key(actor: Actor, body: NewApiKey) -> dict[str, Any]:
    """Make an API key, which acts for the caller with at most the caller's role.

    The key itself is in this answer and never shown again.
    """
    made, key = await offload(
        api_keys.create,
        actor,
        name=body.name,
        role=body.role,
        scopes=list(body.scopes),
        expires_at=body.expires_at,
    )
    return ApiKeyAnswer.model_validate(made).model_dump() | {"key": key}


@blueprint.delete("/<uuid:key_id>")
@operation(allow=Role.admin, scope="admin", returns={204: None})
async def revoke_api_key(actor: Actor, key_id: UUID) -> None:
    """Revoke an API key, at once and for good."""
    await offload(api_keys.revoke, actor, key_id)
