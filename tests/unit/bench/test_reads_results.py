"""What a run keeps, and what it counts as a request's own statements."""

import argparse
import json
from pathlib import Path

import pytest
from bench.queue.figures import alone
from bench.reads import results
from bench.reads.__main__ import writes
from bench.reads.counting import Statements
from bench.reads.machine import require_node
from bench.reads.run import require_served
from bench.reads.wrk import Load


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


def test_figures_carry_the_circumstances_of_their_run() -> None:
    results.write_figures([alone("a", [1.0], "ms")], instead=True, circumstances={"date": "one"})
    results.write_figures([alone("b", [1.0], "ms")], instead=False, circumstances={"date": "two"})
    assert [each["date"] for each in results.read_figures()] == ["one", "two"]


@pytest.mark.parametrize(
    ("chosen", "written"),
    [
        ({}, True),
        ({"rounds": 4}, False),
        ({"seconds": 4}, False),
        ({"sizes": ["100k"]}, False),
        ({"rounds": 1, "write": True}, True),
        ({"dry": True}, False),
    ],
)
def test_a_quick_run_writes_nothing_unless_told_to(
    chosen: dict[str, object], written: bool
) -> None:
    usual = {"rounds": 5, "seconds": 5, "sizes": ["100k", "1m"], "dry": False, "write": False}
    assert writes(argparse.Namespace(**usual | chosen)) is written


@pytest.mark.parametrize(("refused", "broken", "requests"), [(1, 0, 9), (0, 1, 9), (0, 0, 0)])
def test_a_round_with_refused_or_broken_answers_ends_the_bench(
    refused: int, broken: int, requests: int
) -> None:
    with pytest.raises(SystemExit, match="cached: ours"):
        require_served("cached: ours", Load(1.0, 1.0, 1.0, requests, refused, broken))
    require_served("cached: ours", Load(1.0, 1.0, 1.0, 9, 0, 0))


@pytest.mark.parametrize("version", ["v18.19.0", "", "nonsense"])
def test_an_old_node_is_refused(version: str) -> None:
    with pytest.raises(SystemExit, match="20 or newer"):
        require_node(version)
    require_node("v20.0.0")
