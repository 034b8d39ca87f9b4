"""Who may call an operation: authentication, role and scope."""

import inspect
from http import HTTPMethod
from typing import cast

from quart import current_app, request

from clozone.infra.postgres import Scope, set_scope
from clozone.kit import context
from clozone.kit.errors import Forbidden
from clozone.web.edge import request_facts
from clozone.web.identity import Actor, Authenticate, Role
from clozone.web.offload import on_database_thread
from clozone.web.replica_reads import caller

API_KEY_HEADER = "X-API-Key"
READ_METHODS = {HTTPMethod.GET, HTTPMethod.HEAD}


async def identify() -> Actor:
    """The caller, from the credentials sent. Raises Unauthenticated."""
    authenticate = cast(Authenticate, current_app.extensions["authenticate"])
    authorization = request.headers.get("Authorization")
    api_key = request.headers.get(API_KEY_HEADER)
    if inspect.iscoroutinefunction(authenticate):
        return cast(Actor, await authenticate(authorization, api_key))
    return cast(Actor, await on_database_thread(authenticate, authorization, api_key))


def default_scope() -> str:
    """The scope an API key needs where the operation names none: `read` or `write`."""
    return "read" if request.method in READ_METHODS else "write"


def admit(actor: Actor, least: Role, scope: str | None) -> None:
    """Raise Forbidden unless the caller has the role, and its credential the scope."""
    if not actor.role.at_least(least):
        raise Forbidden(f"This needs the role {least.value}; yours is {actor.role.value}.")
    needed = scope or default_scope()
    if not actor.may(needed):
        raise Forbidden(f"This API key lacks the scope {needed}.")


def enter_organisation(actor: Actor) -> None:
    """Make the caller's organisation the scope of every unit of work of this request.

    The request's task and what it starts keep it, also a stream that outlives the handler.
    """
    set_scope(Scope.tenant(actor.org_id))
    caller.set(actor.client_key)
    context.org_id.set(str(actor.org_id))
    request_facts().org_id = str(actor.org_id)
