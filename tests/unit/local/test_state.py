import os
import stat
from dataclasses import replace
from pathlib import Path

from clozone.local.identity import identity
from clozone.local.state import BundleState, ProcessRecord, read_state, write_state

STATE = BundleState(
    phase="ready",
    url="http://localhost:8080",
    supervisor_pid=os.getpid(),
    supervisor_identity=identity(os.getpid()),
    started_at="2026-11-24T09:00:00.000Z",
    start_seconds=4.2,
    processes=[ProcessRecord("valkey", "ready", 7, "boot:9", 16_000, "2026-11-24T09:00:00+00:00")],
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_state(tmp_path / "state.json", STATE)
    assert read_state(tmp_path / "state.json") == STATE
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600


def test_what_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    assert read_state(file) is None
    for text in ("", "{}", "[]", '{"processes": [{"surprise": 1}]}', '{"processes": 3}'):
        file.write_text(text)
        assert read_state(file) is None, text


def test_a_supervisor_is_told_from_another_process_with_its_number() -> None:
    assert STATE.supervisor_lives
    assert not replace(STATE, supervisor_identity="boot:1").supervisor_lives
