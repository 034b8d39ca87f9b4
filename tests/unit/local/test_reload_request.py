"""`clozone reload` and the supervisor, which speak through files in the home."""

import json
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from clozone.local import reload_request
from clozone.local.errors import BundleError, Interrupted
from clozone.local.home import Home
from clozone.local.identity import identity
from clozone.local.reload_files import forget_requests
from clozone.local.reload_request import obey_requests, request_reload
from clozone.local.starting import Listener, Progress, unheard
from clozone.local.state import BundleState, write_state

READY = BundleState(
    phase="ready",
    url="http://localhost:8080",
    supervisor_pid=os.getpid(),
    supervisor_identity=identity(os.getpid()),
    started_at="2026-11-24T09:00:00.000Z",
)
SECRET = {"OPENAI_API_KEY": "sk-very-secret"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home that is held, as by a supervisor that is ready."""
    home = Home.at(tmp_path)
    home.prepare()
    write_state(home.state, READY)
    with home.lock():  # type: ignore[union-attr]
        yield home


@contextmanager
def supervisor(
    home: Home, reload: Callable[[Iterable[str], Mapping[str, str] | None, Listener], None]
) -> Iterator[None]:
    """Obey requests by `reload` until the end of the block."""
    over = threading.Event()

    def obey() -> None:
        while not over.wait(0.05):
            obey_requests(home, reload)

    thread = threading.Thread(target=obey)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Commands:
    """`clozone reload`, several times at once; `outcomes` by the part that each asked for."""

    def __init__(self, home: Home, *parts: str) -> None:
        self.outcomes: dict[str, str] = {}
        self.heard: dict[str, list[str]] = {part: [] for part in parts}
        self._threads = [
            threading.Thread(target=self._run, args=(home, part), daemon=True) for part in parts
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> bool:
        """Whether all of them return."""
        for thread in self._threads:
            thread.join(60)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, home: Home, part: str) -> None:
        def listen(news: Progress) -> None:
            self.heard[part].append(news.name)

        try:
            request_reload(home, [part], SECRET, listen)
            self.outcomes[part] = "done"
        except BundleError as error:
            self.outcomes[part] = str(error)


def _letters(home: Home) -> list[str]:
    return sorted(file.name for file in home.run.iterdir() if file.name.startswith("reload"))


def test_two_commands_at_once_both_get_their_reload(home: Home) -> None:
    commands = Commands(home, "web", "worker")

    def reload(only: Iterable[str], changes: Mapping[str, str] | None, progress: Listener) -> None:
        assert changes == SECRET
        for part in only:
            progress(Progress(part, "replaced", 1.0))

    with supervisor(home, reload):
        assert commands.end()
    assert commands.outcomes == {"web": "done", "worker": "done"}
    assert commands.heard == {"web": ["web"], "worker": ["worker"]}
    assert _letters(home) == []


def test_a_command_that_gives_up_leaves_the_request_of_another_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload_request, "_SILENCE_SECONDS", 0.3)
    first = Commands(home, "web")
    assert first.end()
    monkeypatch.setattr(reload_request, "_SILENCE_SECONDS", 60)
    second = Commands(home, "worker")
    while not _letters(home):
        threading.Event().wait(0.01)
    obeyed: list[list[str]] = []
    with supervisor(home, lambda only, changes, progress: obeyed.append(list(only))):
        assert second.end()
    assert "takes no request" in first.outcomes["web"]
    assert second.outcomes == {"worker": "done"}
    assert obeyed == [["worker"]]


def test_requests_that_nobody_takes_all_end_and_leave_no_secret(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload_request, "_SILENCE_SECONDS", 0.3)
    commands = Commands(home, "web", "worker", "nginx")
    assert commands.end()
    assert all("takes no request" in outcome for outcome in commands.outcomes.values())
    assert len(commands.outcomes) == 3
    assert _letters(home) == []


def test_a_command_that_is_interrupted_before_its_turn_takes_its_request_back(home: Home) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(Interrupted, match="had not begun"):
        request_reload(home, [], SECRET, unheard)
    assert _letters(home) == []


def test_one_that_is_interrupted_later_does_not_stop_the_reload(home: Home) -> None:
    ended = threading.Event()
    interrupted = threading.Event()

    def reload(only: Iterable[str], changes: Mapping[str, str] | None, progress: Listener) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.wait(60)
        ended.set()

    with supervisor(home, reload):
        with pytest.raises(KeyboardInterrupt):
            request_reload(home, [], {}, unheard)
        interrupted.set()
        assert ended.wait(60)


def test_a_failure_is_told_in_its_own_words(home: Home) -> None:
    def reload(only: Iterable[str], changes: Mapping[str, str] | None, progress: Listener) -> None:
        raise BundleError("The new web-1 ended with code 1.")

    with supervisor(home, reload), pytest.raises(BundleError, match="web-1 ended with code 1"):
        request_reload(home, [], {}, unheard)


def test_a_report_that_can_no_longer_be_written_does_not_hold_the_command(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload_request, "_SILENCE_SECONDS", 0.3)

    def reload(only: Iterable[str], changes: Mapping[str, str] | None, progress: Listener) -> None:
        # As on a full disk: whatever is to be written next cannot be.
        for report in home.run.glob("reload-*.report"):
            report.unlink()
            report.mkdir()

    with supervisor(home, reload), pytest.raises(BundleError, match="does not report"):
        request_reload(home, [], {}, unheard)


def test_what_an_earlier_life_left_is_not_obeyed(home: Home) -> None:
    left = home.run / "reload-1.request"
    left.write_text(json.dumps({"id": "1", "only": ["web"], "changes": SECRET}))
    (home.run / "reload-1.report").write_text("{}")
    (home.run / "reload-2.draft").write_text(json.dumps(SECRET))
    forget_requests(home)
    assert _letters(home) == []
    obeyed: list[object] = []
    obey_requests(home, lambda only, changes, progress: obeyed.append(only))
    assert obeyed == []


def test_a_request_is_nobody_elses_to_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload_request, "_SILENCE_SECONDS", 60)
    commands = Commands(home, "web")
    while not (letters := list(home.run.glob("reload-*.request"))):
        threading.Event().wait(0.01)
    assert stat.S_IMODE(letters[0].stat().st_mode) == 0o600
    with supervisor(home, lambda only, changes, progress: None):
        assert commands.end()


def test_what_cannot_be_read_is_thrown_away(home: Home) -> None:
    for number, text in enumerate(("", "{}", "[]", '{"surprise": 1}', "3")):
        (home.run / f"reload-{number}.request").write_text(text)
        obey_requests(home, lambda only, changes, progress: pytest.fail("obeyed"))
    assert _letters(home) == []


def test_without_a_supervisor_nothing_is_asked_for(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.prepare()
    write_state(home.state, READY)
    with pytest.raises(BundleError, match="No Clozone is running"):
        request_reload(home, [], SECRET, unheard)
    assert _letters(home) == []


def test_one_that_is_only_starting_is_not_asked(home: Home) -> None:
    """It holds the home, but what the file says is its predecessor's."""
    write_state(home.state, replace(READY, supervisor_identity="boot:1"))
    with pytest.raises(BundleError, match="not ready"):
        request_reload(home, [], SECRET, unheard)
