"""PostgreSQL: the pool, and the unit of work in which everything happens.

Tenancy lives here and in the row-level security policies, nowhere else: each transaction takes one
of two roles for its duration. `clozone_tenant` sees the rows of one organisation, `clozone_platform`
those of all. The login itself owns nothing and sees nothing, so a forgotten scope finds no rows.
Role and organisation are set for the transaction only, which a transaction pooler respects.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from loguru import logger
from peewee import InterfaceError, OperationalError
from pydantic import SecretStr

from clozone.infra.connecting import (
    direct_parameters,
    opening,
    per_transaction,
    pooled_parameters,
)
from clozone.infra.server_pool import RoutedDatabase, ServerPool, reading_replica
from clozone.settings import Settings

TENANT_ROLE = "clozone_tenant"
PLATFORM_ROLE = "clozone_platform"

database = RoutedDatabase()


@dataclass(frozen=True, slots=True)
class _Session:
    """How this process talks to its server."""

    per_transaction: tuple[tuple[str, str], ...] = ()
    direct_url: str = ""
    direct_parameters: dict[str, Any] = field(default_factory=dict)
    replicated: bool = False


_session = _Session()


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a unit of work may touch."""

    role: str
    org_id: UUID | None = None

    @classmethod
    def tenant(cls, org_id: UUID) -> "Scope":
        """The rows of one organisation."""
        return cls(TENANT_ROLE, org_id)

    @classmethod
    def platform(cls) -> "Scope":
        """The rows of every organisation: inbox, sweeper, command line."""
        return cls(PLATFORM_ROLE)


_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)
# A tuple once they run: then none can be added.
_LastSteps = list[Callable[[], None]] | tuple[Callable[[], None], ...]
_before_commit: ContextVar[_LastSteps | None] = ContextVar("before_commit", default=None)
_after_commit: ContextVar[list[Callable[[], None]] | None] = ContextVar(
    "after_commit", default=None
)


def set_scope(scope: Scope) -> None:
    """Make `scope` the default of the units of work of this task or thread from now on."""
    _scope.set(scope)


def current_scope() -> Scope:
    """The scope in use. Raises RuntimeError when none is: nothing may run unscoped."""
    scope = _scope.get()
    if scope is None:
        raise RuntimeError("a unit of work needs a scope: an organisation or the platform")
    return scope


@contextmanager
def use_scope(scope: Scope) -> Iterator[None]:
    """Make `scope` the default of the units of work opened inside the block."""
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)


def init_database(settings: Settings, *, pool_size: int | None = None) -> None:
    """Point the pool at the application's login. Connects lazily."""
    global _session  # noqa: PLW0603 - how this process talks to its server, like the pool
    direct = settings.database_direct_url or settings.database_url
    _session = _Session(
        per_transaction(settings),
        direct.get_secret_value(),
        direct_parameters(settings),
        replicated=bool(settings.database_replica_url),
    )
    _point(database, settings.database_url, settings, pool_size or settings.database_pool_size)
    database.replica = None


def init_replica(settings: Settings) -> None:
    """Give the pool its second server, DATABASE_REPLICA_URL, if there is one. Connects lazily."""
    if settings.database_replica_url:
        replica = ServerPool(None, autoconnect=False, prefer_psycopg3=True)
        _point(replica, settings.database_replica_url, settings, settings.database_pool_size)
        database.replica = replica


def init_database_as_owner(settings: Settings) -> None:
    """Point the pool at the owner's login, for migrations: past a pooler, for they take locks."""
    url = settings.database_migrate_url or settings.database_direct_url or settings.database_url
    direct = settings.model_copy(update={"database_pooler": "none"})
    init_database(direct.model_copy(update={"database_url": url}), pool_size=2)


def _point(pool: ServerPool, url: SecretStr, settings: Settings, size: int) -> None:
    pool.connect_params.clear()  # peewee would add to what another address needed
    pool.init(
        url.get_secret_value(),
        max_connections=size,
        timeout=settings.offload_wait_seconds,
        stale_timeout=1_800,
        prefer_psycopg3=True,
        **pooled_parameters(settings),
    )


def close_database() -> None:
    """Close every pooled connection."""
    with suppress(InterfaceError):
        database.close_all()
    if database.replica is not None:
        with suppress(InterfaceError):
            database.replica.close_all()


@contextmanager
def unit_of_work(scope: Scope | None = None, *, read_only: bool = False) -> Iterator[None]:
    """One transaction on one connection, in `scope` or in the scope in use.

    Commits when the block ends, rolls back when it raises. With `read_only` the server refuses
    every write. Units of work do not nest: what belongs together goes into one. Raises
    OperationalError when the server is away.
    """
    scope = scope or current_scope()
    if database.in_transaction():
        raise RuntimeError("units of work do not nest")
    last_steps: list[Callable[[], None]] = []
    actions: list[Callable[[], None]] = []
    before = _before_commit.set(last_steps)
    after = _after_commit.set(actions)
    try:
        begin = opening((*_scoped(scope), *_session.per_transaction), read_only=read_only)
        with use_scope(scope), database.connection_context(), database.atomic(opening=begin):
            yield
            _before_commit.set(tuple(last_steps))
            for step in last_steps:
                step()
    finally:
        _before_commit.reset(before)
        _after_commit.reset(after)
    # The connection is back in the pool: an action that waits for Redis keeps nobody from it.
    for action in actions:
        _guarded(action)


def _scoped(scope: Scope) -> tuple[tuple[str, str], ...]:
    return ("role", scope.role), ("clozone.org_id", str(scope.org_id or ""))


def one_statement(sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Run one statement that takes its role itself, in a transaction and round trip of its own.

    Returns its rows. Raises OperationalError when the server is away.
    """
    if database.in_transaction():
        raise RuntimeError("units of work do not nest")
    # Behind a pooler the timeouts need a transaction to hold in.
    own = database.atomic(opening=opening(_session.per_transaction))
    with database.connection_context(), own if _session.per_transaction else nullcontext():
        rows: list[tuple[Any, ...]] = database.execute_sql(sql, params).fetchall()
        return rows


def before_commit(step: Callable[[], None]) -> None:
    """Run `step` as one of the last things of the current unit of work, in its transaction.

    For what takes locks that others wait for. Runs once, however often it is asked for; never if
    the block raised. If it raises itself, the whole is rolled back. RuntimeError outside of a unit of
    work, and in one whose last steps have begun.
    """
    last_steps = _before_commit.get()
    if last_steps is None:
        raise RuntimeError("there is no unit of work to end")
    if isinstance(last_steps, tuple):
        raise RuntimeError("the unit of work is ending: its last steps can ask for no other")
    if step not in last_steps:
        last_steps.append(step)


def after_commit(action: Callable[[], None], *, first: bool = False) -> None:
    """Run `action` once the current unit of work has committed; never if it rolls back.

    `first`: before those that were asked for earlier, which may tell others to look.
    A failing action is logged: the work it announces is committed, and the sweeper finds it.
    """
    actions = _after_commit.get()
    if actions is None:
        raise RuntimeError("there is no unit of work to wait for")
    actions.insert(0 if first else len(actions), action)


def _guarded(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception as error:
        logger.bind(error=str(error)).warning("an action after commit failed")


def waited_in_vain(error: OperationalError) -> bool:
    """Whether somebody's lock was in the way, and not the server away."""
    return isinstance(error.__context__, psycopg.errors.LockNotAvailable)


def dedicated_connection() -> "psycopg.Connection[tuple[Any, ...]]":
    """A connection outside the pool and past a pooler, for what must last longer than a unit of
    work: locks.
    """
    return psycopg.connect(_session.direct_url, autocommit=True, **_session.direct_parameters)


def is_replicated() -> bool:
    """Whether the settings name a replica of this process's server."""
    return _session.replicated


def ping() -> None:
    """Ask the server for a sign of life. Raises OperationalError when it is away."""
    with database.connection_context():
        database.execute_sql("SELECT 1")


__all__ = [
    "OperationalError",
    "Scope",
    "after_commit",
    "before_commit",
    "close_database",
    "current_scope",
    "database",
    "dedicated_connection",
    "init_database",
    "init_database_as_owner",
    "init_replica",
    "is_replicated",
    "one_statement",
    "ping",
    "reading_replica",
    "set_scope",
    "unit_of_work",
    "use_scope",
    "waited_in_vain",
]
