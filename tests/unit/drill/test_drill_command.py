import os
import signal
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
