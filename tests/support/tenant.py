"""An organisation with rows in every table that belongs to one, each of whose texts says whose it is."""

from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

from tests.support.tenant_work import (
    add_notifications,
    add_operations,
    add_session,
    add_training,
)

from clozone.accounts.passwords import hash_password
from clozone.accounts.service import api_keys, sign_in
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization, Profile
from clozone.sessions.rollup import changing
from clozone.web.identity import Actor, Role

YEAR = timedelta(days=365)


class Tenant:
    """An organisation whose work is done: nothing but its own people's requests changes its rows.

    `facts` are what a caller can name of it: ids, an e-mail address, credentials, cursors.
    `marker` is a word in every text of it.
    """

    def __init__(self, password: str) -> None:
        self.org_id = new_id()
        self.marker = f"Marker{self.org_id.hex}"
        self.people = {role: new_id() for role in Role}
        self.facts: dict[str, str] = {"password": password, "org": str(self.org_id)}
        with unit_of_work(Scope.platform()):
            self._add_people(password)
        with unit_of_work(Scope.tenant(self.org_id)):
            add_training(self)
            add_session(self)
            add_operations(self)
            add_notifications(self)
        with unit_of_work(Scope.tenant(self.org_id)), changing(self.id("session")) as session:
            session.status = "completed"
        self.facts |= {role.value: str(user_id) for role, user_id in self.people.items()}
        self.facts["api_key_text"] = self.api_key(["read", "write", "admin"])
        self.facts["refresh_token"] = self._sign_in(password)

    def actor(self, role: Role) -> Actor:
        """The person with this role."""
        return Actor(self.people[role], self.org_id, role)

    def api_key(self, scopes: list[str], role: Role = Role.admin) -> str:
        """A new API key of the administrator; its text."""
        with unit_of_work(Scope.tenant(self.org_id)):
            key, text = api_keys.create(
                self.actor(Role.admin), name=self.marker, role=role, scopes=scopes, expires_at=None
            )
        self.facts["api_key"] = str(key.id)
        return text

    def add(self, name: str, table: type[Any], **values: Any) -> Any:
        """A row of the organisation, whose id becomes the fact `name`; in its unit of work."""
        self.note(name)
        return table.create(id=self.id(name), org_id=self.org_id, **values)

    def note(self, *names: str) -> None:
        """New ids under these names."""
        self.facts |= {name: str(new_id()) for name in names}

    def id(self, name: str) -> UUID:
        """The id with this name."""
        return UUID(self.facts[name])

    def _add_people(self, password: str) -> None:
        Organization.create(id=self.org_id, name=self.marker)
        for role, user_id in self.people.items():
            Profile.create(
                id=user_id,
                org_id=self.org_id,
                email=f"{role}@{self.marker}.example".lower(),
                full_name=f"{role} {self.marker}",
                role=role,
                password_hash=_hashed(password),
            )
        self.facts["email"] = f"{Role.rep}@{self.marker}.example".lower()

    def _sign_in(self, password: str) -> str:
        rep = self.people[Role.rep]
        return sign_in.begin(rep, _hashed(password), None, YEAR).refresh_token


@cache
def _hashed(password: str) -> str:
    """Hashing is slow on purpose: once for each password is enough."""
    return hash_password(password)
