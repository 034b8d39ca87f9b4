"""How a caller of one organisation names what is another's, and what it must be answered."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx2
from tests.support.tenant import Tenant

from clozone.kit.ids import new_id
from clozone.web.identity import Role

# Facts of a tenant: ids, an e-mail address, credentials, cursors, by name.
Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Theirs:
    """A fact of the other organisation."""

    name: str


@dataclass(frozen=True, slots=True)
class Ours:
    """A fact of the caller's own organisation."""

    name: str


@dataclass(frozen=True, slots=True)
class NewEmail:
    """An e-mail address that nobody has."""


class Outcome(StrEnum):
    """What is right to answer."""

    HIDDEN = "hidden"  # 404, word for word as for what does not exist
    EMPTY = "empty"  # an empty list
    OURS = "ours"  # success, with nothing of theirs
    REFUSED = "refused"  # the status that the call names


@dataclass(frozen=True, slots=True)
class Call:
    """One way to call an operation; `path`, `query` and `body` may hold Theirs, Ours and NewEmail.

    `status`: of the answer, where the outcome is REFUSED. `own_status`: of the answer when Theirs
    are the caller's own; None is any success. `own_role`: who makes that call, if not the least
    role that may. `shows`: whether that answer holds something that is the caller's own.
    """

    outcome: Outcome
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    status: int | None = None
    own_status: int | None = None
    own_role: Role | None = None
    shows: bool = True

    def names_theirs(self) -> set[str]:
        """The parameters, query fields and body fields that carry something of theirs."""
        parts = (self.path, self.query, self.body)
        return {
            name for part in parts for name, value in _leaves(part) if isinstance(value, Theirs)
        }

    def send(
        self, client: httpx2.Client, operation: str, ours: Facts, theirs: Facts
    ) -> httpx2.Response:
        """Make the call: `operation` is method and path as the document has them."""
        method, path = operation.split(" ")
        body = filled(self.body, ours, theirs)
        return client.request(
            method,
            path.format_map(filled(self.path, ours, theirs)),
            params=filled(self.query, ours, theirs),
            **({} if body is None else {"json": body}),
        )


@dataclass(frozen=True, slots=True)
class Case:
    """An operation's calls, the least role that may make them (None: public), and the key's scope."""

    least: Role | None
    calls: tuple[Call, ...]
    scope: str


def filled(part: Any, ours: Facts, theirs: Facts) -> Any:
    """`part` with facts in place of Theirs, Ours and NewEmail."""
    match part:
        case Theirs(name):
            return theirs[name]
        case Ours(name):
            return ours[name]
        case NewEmail():
            return f"{new_id()}@new.example"
        case Mapping():
            return {key: filled(value, ours, theirs) for key, value in part.items()}
        case list():
            return [filled(value, ours, theirs) for value in part]
    return part


def nobodys(facts: Facts) -> dict[str, str]:
    """As many facts of the same form, of which nothing exists. E-mail addresses and secrets stay."""
    return {name: str(new_id()) if _is_id(value) else value for name, value in facts.items()}


def essence(answer: httpx2.Response, facts: Facts) -> tuple[int, str]:
    """Status and body, without what differs anyway: the ids that were asked for, the request id."""
    body = answer.text.replace(answer.headers["X-Request-ID"], "REQUEST")
    for value in filter(_is_id, facts.values()):
        body = body.replace(value, "ID")
    return answer.status_code, body


def mentioned(tenant: Tenant, ids: set[str], text: str) -> set[str]:
    """What of an organisation, its ids and its word, occurs in a text."""
    return {word for word in ids | {tenant.marker, tenant.marker.lower()} if word in text}


def _leaves(part: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    match part:
        case Mapping():
            for key, value in part.items():
                yield from _leaves(value, key)
        case list():
            for value in part:
                yield from _leaves(value, name)
        case _:
            yield name, part


def _is_id(value: str) -> bool:
    return len(value) == 36 and value.count("-") == 4
