import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis
from tests.integration.local.conftest import PLAIN, supervisor_process

from clozone.local.bundle import BACKING, AlreadyRunning, Bundle
from clozone.local.control import stop_running
from clozone.local.errors import BundleError
from clozone.local.home import Home
from clozone.local.identity import identity
from clozone.local.state import read_state
from clozone.local.status import read_status


def _bundle(home: Path) -> Bundle:
    return Bundle(home, 0, PLAIN, BACKING)


def _await(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


def _write(bundle: Bundle) -> None:
    with psycopg.connect(bundle.superuser_url("clozone")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with redis.Redis.from_url(bundle.environment()["REDIS_URL"]) as client:
        client.set("kept", "42")


def _read(bundle: Bundle) -> tuple[object, object]:
    with psycopg.connect(bundle.superuser_url("clozone")) as connection:
        row = connection.execute("SELECT answer FROM kept").fetchone()
    with redis.Redis.from_url(bundle.environment()["REDIS_URL"], decode_responses=True) as client:
        return (row and row[0]), client.get("kept")


def test_a_second_start_finds_the_data_the_secrets_and_the_ports(home: Path) -> None:
    with _bundle(home) as first:
        _write(first)
        before = first.environment()
    with _bundle(home) as second:
        assert second.environment() == before
        assert _read(second) == (42, "42")


def test_a_home_has_one_supervisor(home: Path) -> None:
    with _bundle(home) as bundle:
        with pytest.raises(AlreadyRunning) as refusal:
            _bundle(home).start()
        assert refusal.value.state is not None
        assert refusal.value.state.supervisor_pid == os.getpid()
        assert [process.state for process in bundle.processes] == ["ready"] * 3


def test_two_homes_at_once(home: Path, tmp_path: Path) -> None:
    other = Bundle(tmp_path / "another", 0, PLAIN, BACKING)
    try:
        with _bundle(home) as bundle:
            other.start()
            _write(bundle)
            with pytest.raises(psycopg.errors.UndefinedTable):
                _read(other)
    finally:
        other.destroy()


@pytest.mark.parametrize("name", ["postgres", "valkey", "s3"])
def test_a_process_that_dies_is_started_again(home: Path, name: str) -> None:
    with _bundle(home) as bundle:
        _write(bundle)
        process = bundle.process(name)
        before = process.pid
        bundle.kill(name, signal.SIGKILL)
        assert process.wait_ready(30, since_launch=1)
        assert process.pid != before
        assert process.restarts == 1
        assert _read(bundle) == (42, "42")


def test_a_restart_on_request_is_not_a_crash(home: Path) -> None:
    with _bundle(home) as bundle:
        before = bundle.process("valkey").pid
        bundle.restart("valkey")
        assert bundle.process("valkey").pid != before
        assert bundle.process("valkey").restarts == 0


def test_nothing_is_left_after_a_stop(home: Path) -> None:
    bundle = _bundle(home)
    bundle.start()
    pids = [process.pid for process in bundle.processes]
    bundle.stop()
    assert all(pid is not None and identity(pid) is None for pid in pids)
    status = read_status(Home.at(home))
    assert status is not None
    assert status.phase == "stopped"
    assert {process.state for process in status.processes} == {"stopped"}


def test_status_counts_memory_and_names_every_process(home: Path) -> None:
    with _bundle(home):
        status = read_status(Home.at(home))
    assert status is not None
    assert status.phase == "ready"
    assert [process.name for process in status.processes] == [
        *("supervisor", "postgres", "valkey", "s3")
    ]
    assert all(process.pss_bytes > 0 for process in status.processes)
    assert status.total_pss_bytes == sum(process.pss_bytes for process in status.processes)


def test_servers_end_with_a_supervisor_that_is_killed(home: Path) -> None:
    supervisor = supervisor_process(home)
    state = read_state(Home.at(home).state)
    assert state is not None
    supervisor.kill()
    supervisor.wait()
    _await(lambda: all(identity(each.pid or 0) is None for each in state.processes))


def test_the_next_start_clears_up_after_a_kill(home: Path) -> None:
    supervisor = supervisor_process(home)
    state = read_state(Home.at(home).state)
    assert state is not None
    # Frozen, so that they do not end by themselves when their supervisor does.
    for each in state.processes:
        os.kill(each.pid or 0, signal.SIGSTOP)
    supervisor.kill()
    supervisor.wait()
    with _bundle(home) as bundle:
        assert all(identity(each.pid or 0) is None for each in state.processes)
        _write(bundle)
        assert _read(bundle) == (42, "42")


def test_down_clears_up_after_a_kill_too(home: Path) -> None:
    supervisor = supervisor_process(home)
    state = read_state(Home.at(home).state)
    assert state is not None
    supervisor.kill()
    supervisor.wait()
    stop_running(Home.at(home))
    assert all(identity(each.pid or 0) is None for each in state.processes)
    assert not stop_running(Home.at(home))


def test_a_lock_file_with_the_number_of_another_program_is_no_obstacle(home: Path) -> None:
    with _bundle(home) as bundle:
        _write(bundle)
        lock = home / "postgres" / "data" / "postmaster.pid"
        content = lock.read_text()
    number, rest = content.split("\n", 1)
    assert number != str(os.getpid())
    lock.write_text(f"{os.getpid()}\n{rest}")
    with _bundle(home) as bundle:
        assert _read(bundle) == (42, "42")


def test_a_taken_port_of_a_server_is_replaced(home: Path) -> None:
    with _bundle(home) as bundle:
        _write(bundle)
        port = bundle.process("postgres").spec.port
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with _bundle(home) as bundle:
            assert bundle.process("postgres").spec.port != port
            assert _read(bundle) == (42, "42")


def test_an_interrupted_first_start_does_not_spoil_the_home(home: Path) -> None:
    bundle = _bundle(home)
    bundle_news: list[str] = []

    def interrupt(news: object) -> None:
        bundle_news.append(str(news))
        bundle.request_stop()

    with pytest.raises(BundleError):
        bundle.start(interrupt)
    assert bundle_news
    assert all(process.pid is None for process in bundle.processes)
    with _bundle(home) as again:
        _write(again)


def test_lost_secrets_are_explained(home: Path) -> None:
    with _bundle(home):
        pass
    (home / "keys.json").unlink()
    with pytest.raises(BundleError, match=r"keys\.json"):
        _bundle(home).start()
