"""Replacing what runs by new processes, one by one, without a request that fails.

A new process starts beside the old one, on the same port, and listens only once it is ready: both
then take connections. Only then is the old one told to stop, and it ends when nobody talks to it
any more (`clozone.web.server`). So there is never a moment with fewer instances than before, and a
new process that does not become ready changes nothing. The worker and the scheduler are replaced
the same way.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from clozone.local import application
from clozone.local.environment import platform_settings, uses_offline_model
from clozone.local.errors import BundleError, Interrupted
from clozone.local.fleet import Fleet
from clozone.local.logs import last_lines
from clozone.local.nginx import nginx
from clozone.local.nginx_reload import reload_nginx
from clozone.local.options import BIND, PORT, WEB_INSTANCES, Options
from clozone.local.parts import applications, front, part_of, with_port
from clozone.local.plan import Plan
from clozone.local.process import ManagedProcess
from clozone.local.spec import ProcessSpec
from clozone.local.starting import READY_SECONDS, Listener, Progress

# In the order in which they are replaced.
RELOADABLE = ("web", "worker", "scheduler", "nginx")

# The servers that go on running were started with these.
_FIXED = (PORT.name, BIND.name, WEB_INSTANCES.name, "S3_BUCKET", "S3_REGION")

_REQUEST_LINE = '"message":"request"'


def changed_plan(plan: Plan, changes: Mapping[str, str], running: Mapping[str, object]) -> Plan:
    """`plan` with other environment variables; an empty one is taken away.

    Raises BundleError for a value that is wrong, and for one that a reload cannot change.
    """
    env = {
        name: value
        for name, value in {**plan.env, **changes}.items()
        if value or name not in changes
    }
    for name in _FIXED:
        if name in changes and env.get(name, "") != plan.env.get(name, ""):
            raise BundleError(
                f"{name} cannot be changed by a reload: the servers were started with it. Take it "
                "back, or restart everything: clozone down, then clozone up."
            )
    if uses_offline_model(env) and "offline-model" not in running and "web" in running:
        raise BundleError(
            "Without OPENAI_API_KEY and OPENAI_BASE_URL the offline model is meant, which does not "
            "run. Set one of them, or restart everything: clozone down, then clozone up."
        )
    changed = replace(
        plan, env=env, options=with_port(Options.from_environment(env), plan.options.port)
    )
    platform_settings(changed)
    return changed


def roll(plan: Plan, parts: set[str], fleet: Fleet, listener: Listener) -> None:
    """Replace the processes of `parts`, or stop at the first that cannot be, which then still runs.

    The schema is brought up to date first: a new process asks for it, an old one goes on with it.
    nginx comes last: a new frontend may ask for what only new instances know.
    """
    specs = [spec for spec in applications(plan, parts) if spec.name in fleet.processes]
    configuration = front(plan) if {"nginx"} <= parts & fleet.processes.keys() else None
    if specs:
        began = time.monotonic()
        application.migrate(plan, fleet.stopping.is_set)
        listener(Progress("migrate", "done", time.monotonic() - began))
    done: list[str] = []
    for spec in sorted(specs, key=lambda spec: RELOADABLE.index(part_of(spec.name))):
        with _told_with(spec.name, done):
            _replace(spec, fleet, listener)
    if configuration:
        began = time.monotonic()
        with _told_with("nginx", done):
            spec = nginx(plan, configuration)
            outcome = reload_nginx(fleet.processes["nginx"], spec, configuration)
        listener(Progress("nginx", outcome, time.monotonic() - began))


def _replace(spec: ProcessSpec, fleet: Fleet, listener: Listener) -> None:
    began = time.monotonic()
    old = fleet.processes[spec.name]
    end_of_log = spec.log.stat().st_size if spec.log.exists() else 0
    new = ManagedProcess(spec, fleet.journal.write, takes_over=True)
    fleet.passing.append(new)
    try:
        listener(Progress(spec.name, "starting", 0.0))
        new.start()
        if not new.wait_ready(READY_SECONDS, give_up=fleet.stopping.is_set):
            if fleet.stopping.is_set():
                raise Interrupted("The reload was given up: the platform is being stopped.")
            raise BundleError(_why_not_ready(new, end_of_log))
        listener(Progress(spec.name, "ready", time.monotonic() - began))
        fleet.processes[spec.name] = new
        fleet.passing[:] = [old]
        old.stop()
        listener(Progress(spec.name, "replaced", time.monotonic() - began))
    finally:
        if new is not fleet.processes[spec.name]:
            new.stop()
        fleet.passing.clear()
        fleet.journal.write()


def _why_not_ready(process: ManagedProcess, since: int) -> str:
    if process.last_exit is None:
        what = f"did not become ready within {READY_SECONDS:.0f} s"
    else:
        what = f"ended with code {process.last_exit} before it was ready"
    log = process.spec.log
    # The old process writes there too.
    lines = [line for line in last_lines(log, 400, since=since) if _REQUEST_LINE not in line]
    said = "\n".join(f"    {line}" for line in lines[-12:])
    return f"The new {process.name} {what}. The last lines of {log}:\n{said}"


@contextmanager
def _told_with(name: str, done: list[str]) -> Iterator[None]:
    """Do one step of a reload, named `name`; if it fails, its error says how far things are."""
    try:
        yield
    except Interrupted:
        raise
    except BundleError as error:
        new = f"{', '.join(done)} already {'are' if len(done) > 1 else 'is'} new; " if done else ""
        old = f"{name} and what comes after it run on as they were."
        if name == RELOADABLE[-1]:
            old = f"{name} runs on as it was."
        raise BundleError(f"{error}\n{new}{old}") from error
    done.append(name)
