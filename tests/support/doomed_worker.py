"""A real worker that SIGKILLs itself at one step of one kind of job.

`python -m tests.support.doomed_worker STEP KIND [CLOCK_SKEW_SECONDS]`. The steps are wrapped around
the platform's own functions, which are called as ever; nothing is replaced.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from clozone.grading import service
from clozone.jobs import ledger, runner
from clozone.jobs.kinds import Queue
from clozone.jobs.running import Running
from clozone.kit import clock
from clozone.llm.client import ModelClient
from clozone.llm.meter import Meter
from clozone.settings import load_settings
from clozone.worker import run_worker

STEPS = (
    "before the claim",
    "after the claim",
    "after the model's answer",
    "after the answer is on record",
    "before the commit",
    "after the commit",
    "before the message is acknowledged",
)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _dying_after(function: Callable[..., Any], when: Callable[[Any], bool]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if when(result):
            _die()
        return result

    return wrapped


def doom(step: str, kind: str) -> None:
    """Wrap the function that `step` names."""
    always = lambda _result: True  # noqa: E731
    if step == "before the claim":

        def before(*args: Any, **kwargs: Any) -> Any:
            # The bell has been taken from Redis by now; whether it rang for us is not known yet.
            if args[0] is Queue.llm:
                _die()
            return claim(*args, **kwargs)

        claim, ledger.claim_turn = ledger.claim_turn, before
    elif step == "after the claim":
        ledger.claim_turn = _dying_after(
            ledger.claim_turn, lambda claims: any(claim.kind == kind for claim in claims)
        )
    elif step == "after the model's answer":
        ModelClient.ask = _dying_after(ModelClient.ask, always)  # type: ignore[method-assign]
    elif step == "after the answer is on record":
        Meter.complete = _dying_after(Meter.complete, always)  # type: ignore[method-assign]
    elif step == "before the commit":
        service.record_grade = _dying_after(service.record_grade, always)
    elif step == "after the commit":
        completing = Running.completing

        @contextmanager
        def committed(job: Running) -> Iterator[None]:
            with completing(job):
                yield
            if job.kind == kind:
                _die()

        Running.completing = committed  # type: ignore[method-assign]
    else:
        perform = runner.Runner.perform

        def performed(self: runner.Runner, claims: list[ledger.Claim]) -> None:
            perform(self, claims)
            if claims[0].kind == kind:
                _die()

        runner.Runner.perform = performed  # type: ignore[method-assign]


def skew(seconds: float) -> None:
    """Let the clock of this process be wrong by so much."""
    right = clock.now
    wrong = lambda: right() + timedelta(seconds=seconds)  # noqa: E731
    for name, module in list(sys.modules.items()):
        if name.startswith("clozone") and getattr(module, "now", None) is right:
            module.now = wrong  # type: ignore[attr-defined]


if __name__ == "__main__":
    step, kind, *rest = sys.argv[1:]
    if step in STEPS:
        doom(step, kind)
    if rest:
        skew(float(rest[0]))
    run_worker(load_settings())
