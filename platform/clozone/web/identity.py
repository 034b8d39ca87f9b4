"""Who makes a request. Filled in by the accounts slice, read by every route."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a person may do; each role may do all that the ones before it may."""

    rep = "rep"
    manager = "manager"
    admin = "admin"
    operator = "operator"

    def at_least(self, least: "Role") -> bool:
        """Whether this role may do what `least` may."""
        return _RANKS[self] >= _RANKS[least]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of a request, known and belonging to one organisation.

    `user_id` is None for an API key that stands for no person. `scopes` limit an API key and are
    empty for a signed-in person, whom only the role limits.
    """

    user_id: UUID | None
    org_id: UUID
    role: Role
    api_key_id: UUID | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def client_key(self) -> str:
        """The name this caller is counted under by the rate limits."""
        return f"key:{self.api_key_id}" if self.api_key_id else f"user:{self.user_id}"

    def may(self, scope: str) -> bool:
        """Whether the caller's credential covers `scope`; a signed-in person's covers all."""
        return self.api_key_id is None or scope in self.scopes


Authenticate = Callable[[str | None, str | None], Actor | Awaitable[Actor]]
"""`authenticate(authorization_header, api_key_header)` answers who calls, or raises Unauthenticated.

A plain function runs on a thread of the database pool, outside any unit of work: it opens its own.
A coroutine function runs on the event loop and must not block it.
"""
