"""An organisation with one person of each role, and clients that are signed in as them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

import httpx2

from clozone.accounts.passwords import hash_password
from clozone.accounts.tokens import AccessTokens
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.ids import new_id
from clozone.models.accounts import AuditEntry, Organization, Profile
from clozone.settings import Settings
from clozone.web.identity import Role

PASSWORD = "correct horse battery"


@cache
def password_hash() -> str:
    """Hashing is slow on purpose: once is enough."""
    return hash_password(PASSWORD)


@dataclass
class Team:
    """An organisation and the ids of its people, by role."""

    org_id: UUID = field(default_factory=new_id)
    people: dict[str, UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with unit_of_work(Scope.platform()):
            Organization.create(id=self.org_id, name="Acme")
        for role in ("rep", "manager", "admin"):
            self.people[role] = self.add(role)

    def add(self, role: str, **fields: Any) -> UUID:
        """One person more; everybody has the password PASSWORD."""
        user_id = new_id()
        with unit_of_work(Scope.platform()):
            Profile.create(
                **{
                    "id": user_id,
                    "org_id": self.org_id,
                    "email": self.email(user_id),
                    "full_name": f"A {role.title()}",
                    "role": role,
                    "password_hash": password_hash(),
                    **fields,
                }
            )
        return user_id

    def email(self, who: UUID | str) -> str:
        """The e-mail address of a person, given as id or as role."""
        return f"{self.people.get(who, who) if isinstance(who, str) else who}@example.com"

    def profile(self, who: UUID | str) -> Profile:
        """A person as stored."""
        user_id = self.people[who] if isinstance(who, str) else who
        with unit_of_work(Scope.platform()):
            return Profile.get_by_id(user_id)

    def audited(self) -> list[tuple[str, str]]:
        """(action, kind of actor) of what the audit log holds, oldest first."""
        with unit_of_work(Scope.tenant(self.org_id)):
            entries = AuditEntry.select().order_by(AuditEntry.created_at, AuditEntry.id)
            return [(entry.action, entry.actor_kind) for entry in entries]


SignIn = Callable[..., httpx2.Client]


@contextmanager
def signing_in(base_url: str, settings: Settings) -> Iterator[SignIn]:
    """Makes clients: `sign_in(team, "manager")`, or with an id and a role."""
    tokens = AccessTokens(settings)
    clients: list[httpx2.Client] = []

    def sign_in(team: Team, who: str | UUID, role: str | None = None) -> httpx2.Client:
        user_id = team.people[who] if isinstance(who, str) else who
        token = tokens.issue(user_id, team.org_id, Role(role or who))
        headers = {"Authorization": f"Bearer {token}"}
        clients.append(httpx2.Client(base_url=base_url, headers=headers, timeout=30))
        return clients[-1]

    yield sign_in
    for client in clients:
        client.close()
