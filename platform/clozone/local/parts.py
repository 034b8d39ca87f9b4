"""What a bundle consists of: which processes, started in which order, stopped in which."""

from collections.abc import Iterable
from dataclasses import replace

from clozone.local import application
from clozone.local.environment import setting, uses_offline_model
from clozone.local.nginx import nginx, nginx_configuration
from clozone.local.nginx_configuration import Configuration
from clozone.local.options import Options
from clozone.local.plan import Plan
from clozone.local.postgres import postgres
from clozone.local.postgres_place import REPLICA
from clozone.local.postgres_standby import standby
from clozone.local.s3 import s3
from clozone.local.spec import ProcessSpec
from clozone.local.valkey import valkey

BACKING = frozenset({"postgres", "valkey", "s3"})
APPLICATION = frozenset({"web", "worker", "scheduler"})
EVERYTHING = BACKING | APPLICATION | {"nginx", "offline-model"}
# Started on request only.
EXTRAS = frozenset({REPLICA})

# From the outside in: first whoever calls, last what is called. What shares a line stops at once.
STOP_ORDER = (
    ("nginx",),
    ("web",),
    ("worker", "scheduler"),
    ("offline-model",),
    ("s3",),
    (REPLICA,),
    ("postgres",),
    ("valkey",),
)


def part_of(process: str) -> str:
    """The part that a process belongs to: `web-1` and `web-2` are `web`."""
    return "web" if process.startswith("web-") else process


def with_ports(options: Options, parts: Iterable[str]) -> list[str]:
    """The processes that have a port of their own, the public one not among them."""
    extras = sorted(EXTRAS.intersection(parts))
    return ["postgres", "valkey", "s3", "offline-model", *web_names(options), *extras]


def web_names(options: Options) -> list[str]:
    """The names of the web instances."""
    return [f"web-{number + 1}" for number in range(options.web_instances)]


def front(plan: Plan) -> Configuration:
    """What nginx does before the web instances and the storage of `plan`."""
    addresses = [plan.address(name) for name in web_names(plan.options)]
    return nginx_configuration(plan, web=addresses, bucket=setting(plan.env, "S3_BUCKET"))


def servers(plan: Plan, parts: Iterable[str]) -> list[ProcessSpec]:
    """Everything that needs nothing else to start."""
    chosen = set(parts)
    specs = []
    if "postgres" in chosen:
        specs.append(postgres(plan))
    if "valkey" in chosen:
        specs.append(valkey(plan))
    if "s3" in chosen:
        specs.append(s3(plan))
    if "offline-model" in chosen and uses_offline_model(plan.env):
        specs.append(application.offline_model(plan))
    if "nginx" in chosen:
        specs.append(nginx(plan, front(plan)))
    return specs


def standbys(plan: Plan, parts: Iterable[str]) -> list[ProcessSpec]:
    """What needs the servers to be there, but no schema."""
    return [standby(plan)] if REPLICA in set(parts) else []


def applications(plan: Plan, parts: Iterable[str]) -> list[ProcessSpec]:
    """Our processes that need the servers and the schema."""
    chosen = set(parts)
    specs = []
    if "web" in chosen:
        specs += [application.web(plan, name) for name in web_names(plan.options)]
    if "worker" in chosen:
        specs.append(application.worker(plan))
    if "scheduler" in chosen:
        specs.append(application.scheduler(plan))
    return specs


def with_port(options: Options, port: int | None) -> Options:
    """`options` with another public port, if one is given."""
    return options if port is None else replace(options, port=port)
