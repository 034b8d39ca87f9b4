"""The worker and the scheduler, as processes, when they are told to stop."""

import signal
from pathlib import Path

import pytest
from tests.support.processes import PlatformProcess


@pytest.mark.parametrize("verb", ["worker", "scheduler"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_without_work_ends_by_itself(
    environment: dict[str, str], tmp_path: Path, verb: str, number: signal.Signals
) -> None:
    with PlatformProcess([verb], environment, tmp_path / "log") as process:
        process.await_line(f"{verb} ready")
        assert process.stop(number) == 0
    assert f"{verb} stopped" in process.log.read_text()


def test_a_web_process_whose_address_is_taken_says_so(
    environment: dict[str, str], web: str, tmp_path: Path
) -> None:
    address = web.removeprefix("http://")
    with PlatformProcess(["web", "--bind", address], environment, tmp_path / "log") as process:
        assert process.process is not None
        assert process.process.wait(60) == 1
    assert f"{address} cannot be listened on: Address already in use" in process.log.read_text()
