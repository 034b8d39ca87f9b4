"""What a run keeps, and what it counts as a request's own statements."""

import json
from pathlib import Path

import pytest
from bench.queue.figures import alone
from bench.reads import results
from bench.reads.counting import Statements


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(results, "FIGURES", tmp_path / "reads.json")
    monkeypatch.setattr(results, "ROUNDS", tmp_path / "reads_rounds.json")


def test_a_part_that_runs_again_replaces_its_own_figures_only() -> None:
    results.write_figures([alone("a", [1.0], "ms"), alone("b", [2.0], "ms")], instead=True)
    results.write_figures([alone("b", [3.0], "ms")], instead=False)
    assert {each["figure"]: each["ours"] for each in results.read_figures()} == {"a": 1, "b": 3}


def test_a_whole_run_replaces_everything() -> None:
    results.write_figures([alone("a", [1.0], "ms")], instead=True)
    results.write_figures([alone("b", [2.0], "ms")], instead=True)
    assert [each["figure"] for each in results.read_figures()] == ["b"]


def test_rounds_are_kept_by_case() -> None:
    told = [{"case": "a", "rate": 1}, {"case": "b", "rate": 2}, {"case": "a", "rate": 3}]
    results.write_rounds(told, instead=True)
    assert json.loads(results.ROUNDS.read_text()) == [
        {"case": "a", "rounds": [{"rate": 1}, {"rate": 3}]},
        {"case": "b", "rounds": [{"rate": 2}]},
    ]


def test_what_opens_a_unit_of_work_is_told_apart() -> None:
    statements = Statements(
        {
            "SELECT set_config($1, $2, $3), set_config($4, $5, $6)": 3,
            "SET LOCAL ROLE clozone_tenant": 3,
            "SELECT * FROM daily_stats": 2,
            "UPDATE profiles SET last_login_at = $1": 1,
        }
    )
    assert statements.opening == 6
    assert statements.working == 3
    assert statements.of_reports == 2
