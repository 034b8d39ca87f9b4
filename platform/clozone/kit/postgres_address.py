"""The address of a PostgreSQL server as libpq takes it, for asyncpg, which takes less.

asyncpg sends every parameter that it does not know to the server, which refuses the connection.
"""

from typing import Any
from urllib.parse import urlencode

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

DEFAULT_PORT = 5432

_ARGUMENTS = {"user": "user", "password": "password", "dbname": "database"}
# What asyncpg takes from an address only.
_IN_ADDRESS = frozenset(
    {
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword"),
        *("sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("target_session_attrs", "passfile", "service", "krbsrvname", "gsslib"),
    }
)
# What we set ourselves, and what may be left out without harm.
_DROPPED = frozenset(
    {
        *("connect_timeout", "tcp_user_timeout", "keepalives", "keepalives_idle"),
        *("keepalives_interval", "keepalives_count", "application_name"),
        *("fallback_application_name", "client_encoding", "load_balance_hosts"),
        *("sslcompression", "sslsni", "min_protocol_version", "max_protocol_version"),
    }
)
# What may be left out where it asks for nothing that asyncpg lacks.
_HARMLESS = {
    "channel_binding": {"prefer", "disable"},
    "gssencmode": {"prefer", "disable"},
    "sslcertmode": {"allow"},
    "gssdelegation": {"0"},
}


def asyncpg_arguments(address: str) -> dict[str, Any]:
    """The arguments for `asyncpg.connect` that lead where libpq goes with `address`.

    Raises ValueError, without the address in its text, for what is no address and for parameters
    that asyncpg cannot keep its word for, such as `channel_binding=require`.
    """
    try:
        parameters = {
            name: str(value) for name, value in conninfo_to_dict(address).items() if value
        }
        ports = [int(port or DEFAULT_PORT) for port in parameters.get("port", "").split(",")]
    except (ProgrammingError, ValueError):
        raise ValueError("this is no address of PostgreSQL: postgresql://user@host/name") from None
    if parameters.get("sslrootcert") == "system":
        raise ValueError("sslrootcert=system is not supported: name the file of the certificates")
    arguments: dict[str, Any] = {}
    in_address = {}
    for name, value in parameters.items():
        if name in _ARGUMENTS:
            arguments[_ARGUMENTS[name]] = value
        elif name == "host":
            arguments["host"] = value.split(",")
        elif name == "port":
            arguments["port"] = ports[0] if len(ports) == 1 else ports
        elif name == "options":
            arguments["server_settings"] = {"options": value}
        elif name in _IN_ADDRESS:
            in_address[name] = value
        elif name not in _DROPPED and value not in _HARMLESS.get(name, ()):
            raise ValueError(f"{name}={value} is not supported in an address of PostgreSQL")
    arguments["dsn"] = f"postgresql:///?{urlencode(in_address)}"
    return arguments
