import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from clozone.cli.drill import ended_in_order
from clozone.cli.main import main


def test_a_drill_that_cannot_run_is_no_loss(tmp_path: Path) -> None:
    report = tmp_path / "drill.json"
    told = CliRunner().invoke(
        main, ["drill", "--home", str(tmp_path), "--report", str(report), "--seed", "5"]
    )
    assert told.exit_code == 2
    assert "No Clozone runs in" in " ".join(told.output.split())
    assert "seed 5" in told.output
    assert not report.exists()


def test_a_drill_too_small_to_meet_each_sort_of_call_is_refused() -> None:
    told = CliRunner().invoke(main, ["drill", "--calls", "2"])
    assert told.exit_code == 2
    assert "--calls" in told.output


def test_a_report_that_cannot_be_written_is_told_before_the_drill(tmp_path: Path) -> None:
    report = tmp_path / "no such folder" / "drill.json"
    told = CliRunner().invoke(main, ["drill", "--home", str(tmp_path), "--report", str(report)])
    assert told.exit_code == 2
    assert "nothing can be written in" in " ".join(told.output.split())
    assert "No Clozone runs" not in told.output


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_ends_a_drill_in_order(signum: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), ended_in_order():
        os.kill(os.getpid(), signum)
        time.sleep(5)


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_kept_is_told_though_the_bundle_did_not_start(
    keep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told = CliRunner().invoke(
        main, ["drill", *(["--keep"] if keep else [])], env={"JOB_LEASE_SECONDS": "soon"}
    )
    assert told.exit_code == 2
    assert "JOB_LEASE_SECONDS" in told.output
    assert ("Kept:" in told.output) is keep
    assert any(tmp_path.iterdir()) is keep
