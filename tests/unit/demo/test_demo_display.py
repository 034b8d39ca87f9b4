from io import StringIO
from pathlib import Path

from rich.console import Console, RenderableType

from clozone.demo.content import demo_calls
from clozone.demo.display import (
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


def test_the_analytics_show_single_figures_and_leave_out_series() -> None:
    text = drawn(
        analytics_table({"period": "7d", "totals": {"graded": 14, "mean": 61.5}, "series": [1, 2]})
    )
    assert "totals: graded" in text
    assert "61.50" in text
    assert "series" not in text


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
