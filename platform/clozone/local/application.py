"""Our own processes: the web instances, the worker, the scheduler, the offline model."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from clozone.local.environment import OFFLINE_KEY, platform_environment, platform_settings
from clozone.local.once import run_once
from clozone.local.plan import Plan
from clozone.local.probes import answers_http
from clozone.local.spec import ProcessSpec

# On top of what a process takes for its own graceful stop.
_MARGIN_SECONDS = 5.0


def web_name(number: int) -> str:
    """The name of the web instance `number`, counted from 1."""
    return f"web-{number}"


def web(plan: Plan, name: str) -> ProcessSpec:
    """One web instance."""
    port = plan.ports[name]
    return _process(
        plan,
        name,
        ("web", "--bind", plan.address(name)),
        port=port,
        ready=lambda: answers_http(port, "/api/health/live"),
    )


def worker(plan: Plan) -> ProcessSpec:
    """The worker: it runs the jobs. It has no port, so it counts as ready once it runs."""
    return _process(plan, "worker", ("worker",))


def scheduler(plan: Plan) -> ProcessSpec:
    """The scheduler: what is due by the clock, and what fell by the way."""
    return _process(plan, "scheduler", ("scheduler",))


def offline_model(plan: Plan) -> ProcessSpec:
    """The offline model's server."""
    port = plan.ports["offline-model"]
    return _process(
        plan,
        "offline-model",
        ("offline-model", "--bind", plan.address("offline-model")),
        port=port,
        ready=lambda: answers_http(port, "/v1/models", bearer=OFFLINE_KEY),
    )


def set_up(plan: Plan, give_up: Callable[[], bool], on_step: Callable[[str], None]) -> None:
    """Bring the schema up to date and make sure that the demo organisation is there."""
    on_step("migrate")
    migrate(plan, give_up)
    on_step("bootstrap")
    _run(plan, give_up, "bootstrap", "--credentials", str(plan.home.credentials))


def migrate(plan: Plan, give_up: Callable[[], bool]) -> None:
    """Bring the schema up to date. What runs meanwhile, of this version or the last, goes on."""
    _run(plan, give_up, "migrate")


def _run(plan: Plan, give_up: Callable[[], bool], name: str, *words: str) -> None:
    run_once(
        name,
        _command(name, *words),
        env=_environment(plan, name),
        folder=Path.cwd(),
        log=plan.home.log(name),
        give_up=give_up,
    )


def _process(
    plan: Plan,
    name: str,
    words: tuple[str, ...],
    *,
    port: int | None = None,
    ready: Callable[[], bool] = lambda: True,
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        command=_command(*words),
        env=_environment(plan, name),
        # Where the person stands: relative paths in their environment mean that place.
        folder=Path.cwd(),
        log=plan.home.log(name),
        port=port,
        grace_seconds=platform_settings(plan).shutdown_grace_seconds + _MARGIN_SECONDS,
        ready=ready,
    )


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "clozone", *words)


def _environment(plan: Plan, name: str) -> Mapping[str, str]:
    return {
        **plan.env,
        **platform_environment(plan),
        "CLOZONE_INSTANCE": name,
        "PYTHONUNBUFFERED": "1",
        # Threads of different requests otherwise get arenas of their own, never given back.
        "MALLOC_ARENA_MAX": plan.env.get("MALLOC_ARENA_MAX", "2"),
    }
