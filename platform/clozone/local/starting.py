"""Starting several processes at once and waiting until each is ready."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException

from clozone.local.errors import BundleError, Interrupted
from clozone.local.logs import last_lines
from clozone.local.plan import Plan
from clozone.local.probes import answers_http, components_not_up
from clozone.local.process import ManagedProcess

READY_SECONDS = 60.0
PLATFORM_READY_SECONDS = 30.0
COMPONENTS_SECONDS = 8.0
CRASHES_BEFORE_GIVING_UP = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """News of the start: `name` is a process or a step, `seconds` how long it took so far."""

    name: str
    state: str
    seconds: float


Listener = Callable[[Progress], None]


def unheard(_news: Progress) -> None:
    """The listener of whoever does not want to know."""


def start_together(
    processes: Sequence[ManagedProcess], listener: Listener, stopping: threading.Event
) -> None:
    """Prepare, start and finish all of `processes`, side by side.

    Raises what the first that failed raised, after the others were told to give up; Interrupted
    when `stopping` is set meanwhile. What was started keeps running either way.
    """
    failures: list[Exception] = []
    threads = [
        threading.Thread(
            target=_start_one, args=(process, listener, stopping, failures), name=process.name
        )
        for process in processes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    if stopping.is_set():
        raise Interrupted("The start was interrupted.")


def _start_one(
    process: ManagedProcess,
    listener: Listener,
    stopping: threading.Event,
    failures: list[Exception],
) -> None:
    began = time.monotonic()

    def tell(state: str) -> None:
        listener(Progress(process.name, state, time.monotonic() - began))

    try:
        tell("starting")
        process.spec.prepare()
        process.start()
        wait_until_ready(process, lambda: stopping.is_set() or bool(failures))
        process.spec.finish()
        tell("ready")
    except Interrupted:
        # Only the reason counts: somebody asked, or a sibling failed and says why.
        tell("given up")
    except Exception as error:
        failures.append(error)
        tell("failed")


def wait_until_ready(process: ManagedProcess, give_up: Callable[[], bool]) -> None:
    """Return when `process` is ready. Raises BundleError with the end of its log if it never is."""

    def hopeless() -> bool:
        return give_up() or process.restarts >= CRASHES_BEFORE_GIVING_UP

    if process.wait_ready(READY_SECONDS, give_up=hopeless):
        return
    if give_up():
        raise Interrupted("The start was interrupted.")
    if process.refusal:
        raise process.refusal
    raise BundleError(describe_failure(process))


def describe_failure(process: ManagedProcess) -> str:
    """What became of a process that is not ready, with the last lines that it wrote."""
    if process.restarts:
        what = f"{process.name} ended {process.restarts} times, last with code {process.last_exit}"
    else:
        what = f"{process.name} did not become ready within {READY_SECONDS:.0f} s"
    lines = "\n".join(f"    {line}" for line in last_lines(process.spec.log, 12))
    return f"{what}. The last lines of {process.spec.log}:\n{lines}"


def require_alive(processes: Sequence[ManagedProcess]) -> None:
    """Raise BundleError if one of `processes` has already ended once: it will not run for long."""
    for process in processes:
        if process.restarts:
            raise BundleError(describe_failure(process))


def await_platform(plan: Plan, stopping: threading.Event) -> None:
    """Return when the platform says through nginx that it is ready."""
    deadline = time.monotonic() + PLATFORM_READY_SECONDS
    while time.monotonic() < deadline:
        # Nobody listening and half an answer are both "not yet".
        with suppress(OSError, HTTPException):
            if answers_http(plan.public_port, "/api/health/ready", host=plan.options.bind):
                return
        if stopping.wait(0.05):
            raise Interrupted("The start was interrupted.")
    raise BundleError(
        f"Every process runs, but GET /api/health/ready on port {plan.public_port} does not say "
        "that the platform is ready; GET /api/health says what is missing."
    )


def await_components(plan: Plan, stopping: threading.Event) -> list[str]:
    """Wait until every component is up, but not for long; the names of those that are not.

    A platform whose model cannot be reached still starts: it says so and takes calls meanwhile.
    """
    # Each instance is asked itself: each remembers for a moment what it saw last.
    ports = [port for name, port in plan.ports.items() if name.startswith("web-")]
    missing: list[str] = []
    deadline = time.monotonic() + COMPONENTS_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException, ValueError, LookupError):
            missing = sorted({name for port in ports for name in components_not_up(port)})
            if not missing:
                break
        if stopping.wait(0.1):
            raise Interrupted("The start was interrupted.")
    return missing
