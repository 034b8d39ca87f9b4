from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType

from clozone.analytics.schemas import Figures
from clozone.demo.content import demo_calls
from clozone.demo.display import (
    FIGURES,
    LiveProgress,
    analytics_table,
    as_json,
    results_table,
    scorecards_table,
)
from clozone.demo.progress import Progress, Step

CALLS = {call.key: call for call in demo_calls()}
FOLDER = Path("home") / "demo"


def graded() -> Progress:
    return Progress(
        1,
        CALLS["01-discovery-strong"],
        step=Step.DONE,
        session_id="s1",
        session={"status": "completed"},
        grade={"score": 91, "final_score": 91, "passed": True, "blockers": []},
        seconds=1.234,
        scorecard=FOLDER / "01-discovery-strong.pdf",
    )


def wrongly_ended() -> Progress:
    return Progress(
        2,
        CALLS["09-voicemail"],
        step=Step.DONE,
        session_id="s2",
        session={"status": "not_gradable", "not_gradable_reason": "too_short"},
    )


def drawn(*what: RenderableType, terminal: bool = False) -> str:
    console = Console(file=StringIO(), width=200, force_terminal=terminal, color_system=None)
    console.print(*what)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_row_tells_score_verdict_and_time() -> None:
    text = drawn(results_table([graded()]))
    row = next(line for line in text.splitlines() if "Discovery, done well" in line)
    for word in ("✓", "strong", "91", "passed", "1.23"):
        assert word in row


def test_a_row_tells_which_rule_was_broken() -> None:
    entry = graded()
    entry.grade = {**entry.grade, "passed": False, "blockers": [{"key": "honest_claims"}]}
    assert "blocked: honest_claims" in drawn(results_table([entry]))


def test_each_scorecard_has_its_whole_path() -> None:
    text = drawn(scorecards_table([graded(), wrongly_ended()]))
    assert [line.strip() for line in text.splitlines() if ".pdf" in line] == [
        str(FOLDER / "01-discovery-strong.pdf")
    ]


def test_a_row_tells_why_there_is_no_grade() -> None:
    text = drawn(results_table([wrongly_ended()]))
    row = next(line for line in text.splitlines() if "Voicemail" in line)
    assert "✗" in row
    assert "not gradable: too short" in row


FIGURES_OF_A_WEEK = {
    **{"sessions": 20, "graded": 17, "not_gradable": 3, "passed": 8, "pass_rate": 0.4706},
    **{"average_score": 61.53, "score_p50": 64, "score_p90": 91, "closed_won": 5},
    **{"minutes": 161.4, "average_talk_ratio": None, "call_cost_microdollars": 5_857_200},
}
NOTHING = dict.fromkeys(FIGURES_OF_A_WEEK) | {"sessions": 0}


def test_the_analytics_are_in_words_money_and_percent() -> None:
    text = drawn(analytics_table({"totals": FIGURES_OF_A_WEEK, "previous": NOTHING, "by_day": []}))
    rows = {line[:30].strip(): line[30:].strip() for line in text.splitlines()}
    assert rows["cost of the calls"] == "$5.86"
    assert rows["passed, of the graded"] == "47%"
    assert rows["rep's share of the talk"] == "–"
    assert "microdollars" not in text
    assert "before" not in text


def test_the_days_before_stand_beside_if_there_were_calls() -> None:
    before = FIGURES_OF_A_WEEK | {"sessions": 7, "call_cost_microdollars": 1_230_000}
    text = drawn(analytics_table({"totals": FIGURES_OF_A_WEEK, "previous": before}))
    assert "7 days before" in text
    assert "$1.23" in text


def test_a_figure_has_its_words_for_each_of_the_answer() -> None:
    assert FIGURES.keys() == Figures.model_fields.keys()


def test_json_is_not_ok_when_one_call_is_not() -> None:
    results = as_json([graded(), wrongly_ended()], {"period": "7d"}, 1.234)
    assert results["ok"] is False
    assert [call["surprises"] == [] for call in results["calls"]] == [True, False]
    assert as_json([graded()], {}, 1.234)["ok"] is True


def test_without_a_terminal_each_finished_call_is_one_line() -> None:
    console = Console(file=StringIO(), width=200)
    with LiveProgress(console) as live:
        entry = graded()
        for step in (Step.SENT, Step.GRADED, Step.DONE):
            entry.step = step
            live.show(entry)
    assert console.file.getvalue() == "01-discovery-strong: passed\n"  # type: ignore[attr-defined]


def test_on_a_terminal_the_table_marks_the_steps() -> None:
    console = Console(file=StringIO(), width=200, force_terminal=True, color_system=None)
    with LiveProgress(console) as live:
        live.show(graded())
        live.show(wrongly_ended())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("✓") >= 5
    assert "–" in text
