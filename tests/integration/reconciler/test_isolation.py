"""What cannot be read or mended stands in nobody's way, and does not end the run."""

import pytest
from reconciler_probe import practised, put
from tests.support.vapi import TALK, Call, metadata_of

from clozone.kit.ids import new_id
from clozone.reconciler import local
from clozone.reconciler.findings import Kind
from clozone.reconciler.service import Run


def nested(levels: int) -> object:
    value: object = "deep"
    for _ in range(levels):
        value = [value]
    return value


def deep(practice) -> tuple[Call, dict[str, object]]:
    return Call(metadata_of(practice)), {"deep": nested(150)}


def with_nul(practice) -> tuple[Call, dict[str, object]]:
    return Call(metadata_of(practice), id=f"call-\0-{new_id()}"), {}


def half_a_character(practice) -> tuple[Call, dict[str, object]]:
    return Call(metadata_of(practice), id=f"call-\ud800-{new_id()}"), {}


@pytest.mark.parametrize("unreadable", [deep, with_nul, half_a_character])
def test_a_call_that_cannot_be_stored_is_an_error_and_the_rest_goes_on(
    reconciler, practice, vapi, unreadable
):
    stalled = practised(practice, status="processing")
    reconciler.age(stalled)
    bad, fields = unreadable(practice)
    good = Call(metadata_of(practice))
    put(vapi, bad, *TALK, **fields)
    put(vapi, good, *TALK)

    account = reconciler.run()

    assert reconciler.healed(account, good.id) == [Kind.report_missing]
    assert reconciler.healed(account, stalled) == [Kind.grading_stalled]
    (error,) = account.errors
    assert bad.id[-36:] in error
    row = reconciler.row()
    assert row.finished_at is not None
    assert row.errors == [error]
    # It never will be, so the next run need not look from the same time on.
    assert row.calls_seen_until == row.started_at


def test_a_query_that_fails_is_an_error_and_the_rest_goes_on(
    reconciler, practice, vapi, monkeypatch
):
    call = Call(metadata_of(practice))
    put(vapi, call, *TALK)
    recorded = practised(practice, status="completed", recording_state="waiting")
    reconciler.age(recorded)
    monkeypatch.setattr(local, "_STALLED", "SELECT 1 / 0")
    account = reconciler.run()
    assert account.errors == ["division by zero"]
    assert reconciler.healed(account, call.id, recorded) == [
        Kind.report_missing,
        Kind.recording_missing,
    ]
    assert reconciler.row().finished_at is not None


def test_a_run_that_is_to_stop_stops(reconciler, practice, vapi):
    put(vapi, Call(metadata_of(practice)), *TALK)

    class Cancelled(Exception):
        pass

    def cancelled() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        Run(reconciler.settings, checkpoint=cancelled).run()
    assert reconciler.row().finished_at is None
