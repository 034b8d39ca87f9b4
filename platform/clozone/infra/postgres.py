"""PostgreSQL: the pool, and the unit of work in which everything happens.

Tenancy lives here and in the row-level security policies, nowhere else: each transaction takes one
of two roles for its duration. `clozone_tenant` sees the rows of one organisation, `clozone_platform`
those of all. The login itself owns nothing and sees nothing, so a forgotten scope finds no rows.
Role and organisation are set for the transaction only, which a transaction pooler respects.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from loguru import logger
from peewee import InterfaceError, OperationalError
from playhouse.pool import PooledPostgresqlDatabase

from clozone.settings import Settings

TENANT_ROLE = "clozone_tenant"
PLATFORM_ROLE = "clozone_platform"

database = PooledPostgresqlDatabase(None, autoconnect=False, prefer_psycopg3=True)


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
_before_commit: ContextVar[list[Callable[[], None]] | None] = ContextVar(
    "before_commit", default=None
)
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
    _init(settings.database_url.get_secret_value(), settings, pool_size)


def init_database_as_owner(settings: Settings) -> None:
    """Point the pool at the owner's login, for migrations."""
    url = settings.database_migrate_url or settings.database_url
    _init(url.get_secret_value(), settings, 2)


def _init(url: str, settings: Settings, pool_size: int | None) -> None:
    options = {
        "timezone": "UTC",
        "statement_timeout": settings.database_statement_timeout_ms,
        "lock_timeout": 5_000,
        "idle_in_transaction_session_timeout": 30_000,
    }
    database.init(
        url,
        max_connections=pool_size or settings.database_pool_size,
        timeout=settings.offload_wait_seconds,
        stale_timeout=1_800,
        prefer_psycopg3=True,
        application_name=f"clozone {settings.clozone_instance}",
        connect_timeout=3,
        options=" ".join(f"-c {name}={value}" for name, value in options.items()),
    )


def close_database() -> None:
    """Close every pooled connection."""
    with suppress(InterfaceError):
        database.close_all()


@contextmanager
def unit_of_work(scope: Scope | None = None) -> Iterator[None]:
    """One transaction on one connection, in `scope` or in the scope in use.

    Commits when the block ends, rolls back when it raises. Units of work do not nest: what belongs
    together goes into one. Raises OperationalError when the server is away.
    """
    scope = scope or current_scope()
    if database.in_transaction():
        raise RuntimeError("units of work do not nest")
    last_steps: list[Callable[[], None]] = []
    actions: list[Callable[[], None]] = []
    before = _before_commit.set(last_steps)
    after = _after_commit.set(actions)
    try:
        with use_scope(scope), database.connection_context(), database.atomic():
            database.execute_sql(
                "SELECT set_config('role', %s, true), set_config('clozone.org_id', %s, true)",
                (scope.role, str(scope.org_id or "")),
            )
            yield
            for step in last_steps:
                step()
    finally:
        _before_commit.reset(before)
        _after_commit.reset(after)
    # The connection is back in the pool: an action that waits for Redis keeps nobody from it.
    for action in actions:
        _guarded(action)


def one_statement(sql: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Run one statement that takes its role itself, in a transaction and round trip of its own.

    Returns its rows. Raises OperationalError when the server is away.
    """
    if database.in_transaction():
        raise RuntimeError("units of work do not nest")
    with database.connection_context():
        rows: list[tuple[Any, ...]] = database.execute_sql(sql, params).fetchall()
        return rows


def before_commit(step: Callable[[], None]) -> None:
    """Run `step` as one of the last things of the current unit of work, in its transaction.

    For what takes locks that others wait for. Never runs if the block raised; if it raises itself,
    the whole is rolled back.
    """
    last_steps = _before_commit.get()
    if last_steps is None:
        raise RuntimeError("there is no unit of work to end")
    last_steps.append(step)


def after_commit(action: Callable[[], None]) -> None:
    """Run `action` once the current unit of work has committed; never if it rolls back.

    A failing action is logged: the work it announces is committed, and the sweeper finds it.
    """
    actions = _after_commit.get()
    if actions is None:
        raise RuntimeError("there is no unit of work to wait for")
    actions.append(action)


def _guarded(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception as error:
        logger.bind(error=str(error)).warning("an action after commit failed")


def waited_in_vain(error: OperationalError) -> bool:
    """Whether somebody's lock was in the way, and not the server away."""
    return isinstance(error.__context__, psycopg.errors.LockNotAvailable)


def dedicated_connection() -> "psycopg.Connection[tuple[Any, ...]]":
    """A connection outside the pool, for what must last longer than a unit of work: locks."""
    return psycopg.connect(database.database, autocommit=True, **database.connect_params)


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
    "one_statement",
    "ping",
    "set_scope",
    "unit_of_work",
    "use_scope",
    "waited_in_vain",
]
