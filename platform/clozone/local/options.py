"""What the person who starts the bundle may choose about the bundle itself.

Everything about the platform is in `clozone.settings`; these few variables exist only here, because
only the launcher reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clozone.local.errors import BundleError

DEFAULT_HOME = ".clozone"
DEFAULT_PORT = 8080


@dataclass(frozen=True, slots=True)
class Options:
    """The launcher's variables, checked.

    `port` 0 means any free one. The `nginx_*` values are the coarse wall in front of the platform:
    requests per second with a burst, and connections, each per client address.
    """

    port: int = DEFAULT_PORT
    bind: str = "127.0.0.1"
    web_instances: int = 2
    frontend: Path | None = None
    nginx_rate_api: str = "50r/s"
    nginx_burst_api: int = 200
    nginx_rate_webhooks: str = "200r/s"
    nginx_burst_webhooks: int = 1000
    nginx_connections: int = 200

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Options":
        """Read `CLOZONE_PORT`, `CLOZONE_BIND`, `CLOZONE_WEB_INSTANCES`, `CLOZONE_FRONTEND` and
        `NGINX_*` from `env`. Raises BundleError that names the variable."""
        default = cls()
        frontend = env.get("CLOZONE_FRONTEND")
        return cls(
            port=_integer(env, "CLOZONE_PORT", default.port, 0, 65_535),
            bind=env.get("CLOZONE_BIND") or default.bind,
            web_instances=_integer(env, "CLOZONE_WEB_INSTANCES", default.web_instances, 1, 8),
            frontend=Path(frontend).resolve() if frontend else None,
            nginx_rate_api=env.get("NGINX_RATE_API") or default.nginx_rate_api,
            nginx_burst_api=_integer(env, "NGINX_BURST_API", default.nginx_burst_api, 1, 1_000_000),
            nginx_rate_webhooks=env.get("NGINX_RATE_WEBHOOKS") or default.nginx_rate_webhooks,
            nginx_burst_webhooks=_integer(
                env, "NGINX_BURST_WEBHOOKS", default.nginx_burst_webhooks, 1, 1_000_000
            ),
            nginx_connections=_integer(
                env, "NGINX_CONNECTIONS", default.nginx_connections, 1, 1_000_000
            ),
        )


def home_from_environment(env: Mapping[str, str]) -> Path:
    """The data folder: `CLOZONE_HOME`, or `.clozone` in the working directory."""
    return Path(env.get("CLOZONE_HOME") or DEFAULT_HOME)


def _integer(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise BundleError(f"{name} is {text!r}; it must be a whole number from {least} to {most}.")
    return int(text)
