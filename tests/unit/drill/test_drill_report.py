import pytest

from clozone.drill.evidence import Proof
from clozone.drill.report import Report


def report(
    *,
    kills: int = 10,
    wanted: int = 10,
    freezes: int = 1,
    wipes: int = 1,
    faults: int = 1,
    interrupted: int = 1,
) -> Report:
    recovery = Proof("recovery", "", checked=interrupted, may_be_idle=True)
    recovery.facts = {"by_kill": {"jobs": interrupted}}
    return Report(
        seed=1,
        calls=50,
        kills_wanted=wanted,
        kills={"worker": kills},
        freezes=freezes,
        wipes=wipes,
        model_faults={"latency": 1, "long answer": 1, "timeout": faults},
        model_failures={},
        traffic={},
        seconds={},
        proofs=[recovery],
        incidents=[],
        came_to_rest=True,
    )


def test_a_drill_that_did_all_falls_short_of_nothing() -> None:
    assert report().ok
    assert report().shortfalls == []


@pytest.mark.parametrize(
    ("short", "words"),
    [
        (report(kills=9), "9 of 10 kills could be done"),
        (report(freezes=0), "no worker was frozen"),
        (report(wipes=0), "Redis was never wiped"),
        (report(faults=0), "no fault of the model was armed"),
        (report(interrupted=0), "no job was interrupted by a kill"),
    ],
)
def test_what_was_not_done_is_no_loss_and_is_told(short: Report, words: str) -> None:
    assert short.ok
    assert short.shortfalls == [words]


def test_a_small_drill_need_not_meet_everything() -> None:
    assert report(kills=2, wanted=2, freezes=0, wipes=0, interrupted=0).shortfalls == []


def test_a_claim_that_nothing_was_checked_of_is_not_shown() -> None:
    idle = Proof("recovery", "", may_be_idle=True)
    assert idle.holds
    assert not idle.is_shown
    assert not Proof("inbox", "").holds
