"""How a connection to PostgreSQL is made, and how a transaction on it begins.

Directly, the session's settings go with the start of the connection. A pooler in transaction mode
(PgBouncer) gives each transaction another session, so there they are set in every transaction, by
the same string that begins it, and nothing is prepared.
"""

from functools import lru_cache
from typing import Any

from psycopg.sql import SQL, Literal

from clozone.settings import Settings

CONNECT_SECONDS = 3
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_MS = 30_000
# A server that vanished without a farewell is found out within so many seconds.
SILENCE_SECONDS = 20
_NETWORK = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": SILENCE_SECONDS * 1000,
}


def session_settings(settings: Settings) -> dict[str, str]:
    """What holds in every session of ours; times in ms."""
    return {
        "timezone": "UTC",
        "statement_timeout": str(settings.database_statement_timeout_ms),
        "lock_timeout": str(LOCK_TIMEOUT_MS),
        "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    }


def direct_parameters(settings: Settings) -> dict[str, Any]:
    """libpq's parameters, besides the address, for a connection to PostgreSQL itself."""
    options = (f"-c {name}={value}" for name, value in session_settings(settings).items())
    return {**_named(settings), "options": " ".join(options)}


def pooled_parameters(settings: Settings) -> dict[str, Any]:
    """The same for DATABASE_URL, which may be a pooler's."""
    if settings.database_pooler == "none":
        return direct_parameters(settings)
    return {**_named(settings), "prepare_threshold": None}


def per_transaction(settings: Settings) -> tuple[tuple[str, str], ...]:
    """What each transaction on DATABASE_URL has to set for itself, as names and values."""
    if settings.database_pooler == "none":
        return ()
    return tuple(session_settings(settings).items())


@lru_cache(maxsize=4_096)
def opening(values: tuple[tuple[str, str], ...], *, read_only: bool = False) -> str:
    """SQL that begins a transaction in which the settings have these `values`; one round trip."""
    begin = "BEGIN READ ONLY" if read_only else "BEGIN"
    if not values:
        return begin
    calls = SQL(", ").join(
        SQL("set_config({}, {}, true)").format(Literal(name), Literal(value))
        for name, value in values
    )
    return f"{begin}; SELECT {calls.as_string(None)}"


def _named(settings: Settings) -> dict[str, Any]:
    return {**_NETWORK, "application_name": f"clozone {settings.clozone_instance}"}
