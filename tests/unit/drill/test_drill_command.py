from pathlib import Path

from click.testing import CliRunner

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
