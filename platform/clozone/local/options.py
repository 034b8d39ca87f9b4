"""What the person who starts the bundle may choose about the bundle itself.

Everything about the platform is in `clozone.settings`; these few variables are here, because only
the launcher reads them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

from clozone.local.errors import BundleError

DEFAULT_HOME = ".clozone"

_RATE = re.compile(r"(?:[1-9][0-9]{0,5}|1000000)r/[sm]")
# As far as nginx counts for one address.
_MOST_CONNECTIONS = 65_535
DEFAULT_FRONTEND_CSP = "base-uri 'self'; object-src 'none'; frame-ancestors 'self'"

# What can stand between quotes in nginx's configuration and means nothing there.
_POLICY = re.compile(r"[A-Za-z0-9 ;:'./*_+=,-]*")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: what it is for, and what holds without it."""

    name: str
    default: str
    description: str


PORT = Variable("CLOZONE_PORT", "8080", "Public port of the local bundle; 0 takes any free one.")
BIND = Variable("CLOZONE_BIND", "127.0.0.1", "Address that port is on; 0.0.0.0 for everybody.")
WEB_INSTANCES = Variable("CLOZONE_WEB_INSTANCES", "2", "Web processes of the local bundle.")
FRONTEND = Variable("CLOZONE_FRONTEND", "", "Folder of a built frontend for nginx to serve.")
FRONTEND_CSP = Variable(
    "NGINX_FRONTEND_CSP",
    "",
    "Content-Security-Policy of the frontend's pages. Default: one that no frontend breaks.",
)
RATE_API = Variable("NGINX_RATE_API", "100r/s", "Requests per address that nginx lets through.")
BURST_API = Variable("NGINX_BURST_API", "400", "How many more it lets through at once.")
RATE_STRICT = Variable("NGINX_RATE_STRICT", "5r/s", "Of these, sign-ins and gradings on demand.")
BURST_STRICT = Variable("NGINX_BURST_STRICT", "100", "The same for sign-ins and gradings.")
RATE_WEBHOOKS = Variable("NGINX_RATE_WEBHOOKS", "200r/s", "The same for webhooks.")
BURST_WEBHOOKS = Variable("NGINX_BURST_WEBHOOKS", "1000", "The same for webhooks.")
RATE_FILES = Variable("NGINX_RATE_FILES", "50r/s", "The same for scorecards and recordings.")
BURST_FILES = Variable("NGINX_BURST_FILES", "200", "The same for scorecards and recordings.")
RATE_HEALTH = Variable("NGINX_RATE_HEALTH", "50r/s", "The same for health.")
BURST_HEALTH = Variable("NGINX_BURST_HEALTH", "200", "The same for health.")
CONNECTIONS = Variable("NGINX_CONNECTIONS", "200", "Requests in progress per address.")
STREAMS = Variable("NGINX_STREAMS", "400", "Event streams open per address, counted apart.")
REAL_IP_FROM = Variable(
    "NGINX_REAL_IP_FROM",
    "",
    "Comma-separated networks of proxies before nginx, whose X-Forwarded-For names the client.",
)

VARIABLES = (
    *(PORT, BIND, WEB_INSTANCES, FRONTEND, FRONTEND_CSP),
    *(RATE_API, BURST_API, RATE_STRICT, BURST_STRICT, RATE_WEBHOOKS, BURST_WEBHOOKS),
    *(RATE_FILES, BURST_FILES, RATE_HEALTH, BURST_HEALTH, CONNECTIONS, STREAMS, REAL_IP_FROM),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The launcher's variables, checked. `port` 0 means any free one."""

    port: int
    bind: str
    web_instances: int
    frontend: Path | None
    nginx_frontend_csp: str
    nginx_rate_api: str
    nginx_burst_api: int
    nginx_rate_strict: str
    nginx_burst_strict: int
    nginx_rate_webhooks: str
    nginx_burst_webhooks: int
    nginx_rate_files: str
    nginx_burst_files: int
    nginx_rate_health: str
    nginx_burst_health: int
    nginx_connections: int
    nginx_streams: int
    nginx_real_ip_from: tuple[str, ...]

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Options":
        """Read `VARIABLES` from `env`. Raises BundleError that names a wrong one."""
        frontend = _text(env, FRONTEND)
        return cls(
            port=_integer(env, PORT, 0, 65_535),
            bind=_address(env, BIND),
            web_instances=_integer(env, WEB_INSTANCES, 1, 8),
            frontend=Path(frontend).resolve() if frontend else None,
            nginx_frontend_csp=_policy(env, FRONTEND_CSP),
            nginx_rate_api=_rate(env, RATE_API),
            nginx_burst_api=_integer(env, BURST_API, 1, 1_000_000),
            nginx_rate_strict=_rate(env, RATE_STRICT),
            nginx_burst_strict=_integer(env, BURST_STRICT, 1, 1_000_000),
            nginx_rate_webhooks=_rate(env, RATE_WEBHOOKS),
            nginx_burst_webhooks=_integer(env, BURST_WEBHOOKS, 1, 1_000_000),
            nginx_rate_files=_rate(env, RATE_FILES),
            nginx_burst_files=_integer(env, BURST_FILES, 1, 1_000_000),
            nginx_rate_health=_rate(env, RATE_HEALTH),
            nginx_burst_health=_integer(env, BURST_HEALTH, 1, 1_000_000),
            nginx_connections=_integer(env, CONNECTIONS, 1, _MOST_CONNECTIONS),
            nginx_streams=_integer(env, STREAMS, 1, _MOST_CONNECTIONS),
            nginx_real_ip_from=_networks(env, REAL_IP_FROM),
        )


def home_from_environment(env: Mapping[str, str]) -> Path:
    """The data folder: `CLOZONE_HOME`, or `.clozone` in the working directory."""
    return Path(env.get("CLOZONE_HOME") or DEFAULT_HOME)


def _text(env: Mapping[str, str], variable: Variable) -> str:
    return env.get(variable.name, "").strip() or variable.default


def _address(env: Mapping[str, str], variable: Variable) -> str:
    text = _text(env, variable)
    try:
        return text if text == "localhost" else str(ip_address(text))
    except ValueError as error:
        raise BundleError(
            f"{variable.name} is {text!r}; it must be an address of this machine such as 127.0.0.1, "
            "or 0.0.0.0 for all of them."
        ) from error


def _integer(env: Mapping[str, str], variable: Variable, least: int, most: int) -> int:
    text = _text(env, variable)
    # Python reads no more than 4,300 digits.
    readable = text.isascii() and text.isdigit() and len(text) <= 20
    if not (readable and least <= int(text) <= most):
        raise BundleError(
            f"{variable.name} is {text[:40]!r}; it must be a whole number from {least} to {most}."
        )
    return int(text)


def _rate(env: Mapping[str, str], variable: Variable) -> str:
    text = _text(env, variable)
    if not _RATE.fullmatch(text):
        raise BundleError(
            f"{variable.name} is {text[:40]!r}; write it like {variable.default}, "
            "with at most a million."
        )
    return text


def _policy(env: Mapping[str, str], variable: Variable) -> str:
    text = _text(env, variable) or DEFAULT_FRONTEND_CSP
    if not _POLICY.fullmatch(text):
        raise BundleError(
            f"{variable.name} is {text!r}; a Content-Security-Policy is written in letters, digits, "
            "blanks and ; : ' . / * _ + = , -"
        )
    return text


def _networks(env: Mapping[str, str], variable: Variable) -> tuple[str, ...]:
    texts = [text.strip() for text in _text(env, variable).split(",") if text.strip()]
    try:
        networks = [ip_network(text) for text in texts]
    except ValueError as error:
        raise BundleError(
            f"{variable.name} is not a list of networks such as 10.0.0.0/8: {error}."
        ) from error
    for network in networks:
        if network.prefixlen == 0:
            raise BundleError(
                f"{variable.name} names {network}: everybody would be believed to be whoever they "
                "say. Name the networks of your own proxies or of your CDN."
            )
    return tuple(map(str, networks))
