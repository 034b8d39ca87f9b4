"""From the credentials of a request to its caller: JWT, another issuer's JWT, or API key."""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar, cast

from quart import current_app

from clozone.accounts.external import ExternalIssuers
from clozone.accounts.refusals import InvalidToken
from clozone.accounts.service import api_keys, external_people
from clozone.accounts.tokens import AccessTokens
from clozone.kit.errors import Unauthenticated
from clozone.settings import Settings
from clozone.web.identity import Actor
from clozone.web.offload import Threads, offload_plain, on_database_thread

EXTENSION = "authentication"
# argon2 takes two cores and 64 MiB at a time; more at once would only take longer each.
HASHES_AT_ONCE = 2

P = ParamSpec("P")
T = TypeVar("T")


class Authentication:
    """How this process knows its callers. Made once, in the composition root."""

    def __init__(self, settings: Settings) -> None:
        """Contacts nobody. Raises WeakSecret for a secret that is too short."""
        self.access_tokens = AccessTokens(settings)
        self.refresh_token_seconds = settings.refresh_token_seconds
        self._external = ExternalIssuers(settings)
        self._hashing = Threads("passwords", HASHES_AT_ONCE, settings.offload_wait_seconds)

    async def authenticate(self, authorization: str | None, api_key: str | None) -> Actor:
        """The caller. An Authorization header wins over an X-API-Key. Raises Unauthenticated."""
        credential = _bearer(authorization) if authorization else (api_key or "").strip()
        if not credential:
            raise Unauthenticated(
                "Send an access token (Authorization: Bearer …) or an API key (X-API-Key)."
            )
        if credential.startswith(api_keys.PREFIX):
            return cast(Actor, await on_database_thread(api_keys.actor_of, credential))
        if not authorization:
            raise InvalidToken("This is not an API key.")
        if self._external.issued(credential):
            identity = await offload_plain(self._external.identity, credential)
            return cast(Actor, await on_database_thread(external_people.actor_of, identity))
        return self.access_tokens.read(credential)

    async def hash(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a slow password function on a thread of its own, few at a time.

        No database connection is held meanwhile. Raises Unavailable if no turn came in time.
        """
        return await self._hashing.run(partial(function, *args, **kwargs))

    def close(self) -> None:
        """Let running work end."""
        self._hashing.close()


def authentication() -> Authentication:
    """The authentication of this process."""
    return cast(Authentication, current_app.extensions[EXTENSION])


async def authenticate(authorization: str | None, api_key: str | None) -> Actor:
    """`Authentication.authenticate` of this process; what routes are given as `authenticate`."""
    return await authentication().authenticate(authorization, api_key)


def _bearer(authorization: str) -> str:
    scheme, _, credential = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise InvalidToken("The Authorization header must read: Bearer, a space, and the token.")
    return credential.strip()
