"""One supervised process, without a bundle around it."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clozone.local.errors import BundleError
from clozone.local.identity import entries, identity
from clozone.local.process import ManagedProcess
from clozone.local.spec import ProcessSpec

_SLEEP = "import time; time.sleep(600)"
_DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('deaf', 'w'); {_SLEEP}"
_WITH_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{_SLEEP}']); "
_SIGNALS = (
    "import signal; ignored = [s for s in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM)"
    " if signal.getsignal(s) == signal.SIG_IGN]; blocked = signal.pthread_sigmask(0, ());"
    f"print(ignored, blocked, flush=True); {_SLEEP}"
)

_READY_FD = "import os, sys; ready = int(sys.argv[1].removeprefix('--ready-fd=')); "
_ANNOUNCES = f"{_READY_FD} os.write(ready, b'\\n'); {_SLEEP}"

Make = Callable[..., ManagedProcess]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[ManagedProcess] = []

    def build(
        code: str,
        ready: Callable[[], bool] = lambda: True,
        grace: float = 5,
        takes_over: bool = False,
    ) -> ManagedProcess:
        spec = ProcessSpec(
            name="example",
            command=(sys.executable, "-c", code),
            env={},
            folder=tmp_path,
            log=tmp_path / "example.log",
            ready=ready,
            grace_seconds=grace,
        )
        made.append(ManagedProcess(spec, lambda: None, takes_over=takes_over))
        return made[-1]

    yield build
    for process in made:
        process.stop()


def test_it_runs_until_it_is_stopped(make: Make) -> None:
    process = make(_SLEEP)
    process.start()
    assert process.wait_ready(20)
    pid = process.pid or 0
    assert identity(pid) == process.identity
    process.stop()
    assert (process.state, process.pid, process.last_exit) == ("stopped", None, -signal.SIGTERM)
    assert identity(pid) is None


def test_one_that_does_not_listen_is_killed_after_its_grace(make: Make, tmp_path: Path) -> None:
    process = make(_DEAF, ready=(tmp_path / "deaf").exists, grace=0.2)
    process.start()
    assert process.wait_ready(20)
    process.stop()
    assert process.last_exit == -signal.SIGKILL


def test_one_that_keeps_dying_is_started_again_and_counted(make: Make, tmp_path: Path) -> None:
    process = make("print('again', flush=True); raise SystemExit(7)", ready=lambda: False)
    process.start()
    assert not process.wait_ready(30, give_up=lambda: process.restarts >= 3)
    assert process.restarts >= 3
    assert process.last_exit == 7
    process.stop()
    assert (tmp_path / "example.log").read_text().count("again") >= 3


def test_a_stop_at_any_moment_leaves_nothing(make: Make) -> None:
    before = _children()
    for delay in (0.0, 0.001, 0.01, 0.05):
        process = make(_SLEEP)
        process.start()
        threading.Event().wait(delay)
        process.stop()
        assert (process.state, process.pid) == ("stopped", None)
    assert _children() == before


def test_children_do_not_survive_their_process(make: Make) -> None:
    process = make(_WITH_CHILD + _SLEEP)
    process.start()
    assert process.wait_ready(20)
    session = process.pid or 0
    while len(_alive_in(session)) < 2:
        threading.Event().wait(0.02)
    process.send(signal.SIGKILL)
    assert process.wait_ready(20, since_launch=1)
    while _alive_in(session):
        threading.Event().wait(0.02)


def test_one_that_takes_over_says_itself_when_it_is_ready(make: Make) -> None:
    process = make(_ANNOUNCES, ready=lambda: False, takes_over=True)
    process.start()
    assert process.wait_ready(20)


def test_one_that_takes_over_is_not_ready_before_it_says_so(make: Make) -> None:
    process = make(_SLEEP, takes_over=True)
    process.start()
    assert not process.wait_ready(0.5)
    assert process.state == "starting"


def test_one_that_takes_over_and_dies_before_is_not_started_again(
    make: Make, tmp_path: Path
) -> None:
    process = make("print('once', flush=True); raise SystemExit(7)", takes_over=True)
    process.start()
    assert not process.wait_ready(20)
    assert (process.state, process.last_exit, process.restarts) == ("stopped", 7, 0)
    assert (tmp_path / "example.log").read_text() == "once\n"


def test_once_it_has_taken_over_it_is_kept_running_as_any_other(make: Make) -> None:
    process = make(f"import sys\nif len(sys.argv) == 1: {_SLEEP}\n{_ANNOUNCES}", takes_over=True)
    process.start()
    assert process.wait_ready(20)
    process.send(signal.SIGKILL)
    assert process.wait_ready(20, since_launch=1)
    assert process.restarts == 1


def test_a_probe_can_say_that_it_is_hopeless(make: Make) -> None:
    def ready() -> bool:
        raise BundleError("never")

    process = make(_SLEEP, ready=ready)
    process.start()
    assert not process.wait_ready(600)
    assert str(process.refusal) == "never"


def test_what_python_does_to_signals_is_undone(make: Make, tmp_path: Path) -> None:
    """Ignored and blocked signals are inherited; a server that ignores SIGPIPE is not itself."""
    log = tmp_path / "example.log"
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        process = make(_SIGNALS, ready=lambda: b"\n" in log.read_bytes())
        process.start()
        assert process.wait_ready(20)
    finally:
        signal.signal(signal.SIGINT, previous)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    # SIGPIPE is the example's own Python again.
    assert log.read_text() == f"{[signal.SIGPIPE]!r} set()\n"


def test_a_signal_to_one_that_is_not_there_is_an_error(make: Make) -> None:
    with pytest.raises(BundleError, match="not running"):
        make(_SLEEP).send(signal.SIGTERM)


def test_a_program_that_is_not_there_is_named_in_the_log(make: Make, tmp_path: Path) -> None:
    spec = ProcessSpec(
        "none", (str(tmp_path / "none"),), {}, tmp_path, tmp_path / "none.log", lambda: False
    )
    process = ManagedProcess(spec, lambda: None)
    process.start()
    assert not process.wait_ready(30, give_up=lambda: process.restarts > 0)
    process.stop()
    assert f"{tmp_path / 'none'} cannot be started" in (tmp_path / "none.log").read_text()


def _children() -> set[int]:
    return {each.pid for each in entries() if each.parent == os.getpid() and not each.zombie}


def _alive_in(session: int) -> list[int]:
    return [each.pid for each in entries() if each.session == session and not each.zombie]
