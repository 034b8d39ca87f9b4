"""What becomes of the jobs of a worker that is replaced while it works."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from tests.support.platform import Platform, demo_call, eventually, never_heard_before


@pytest.fixture(autouse=True)
def slow_model(platform: Platform) -> Iterator[None]:
    """A model that takes its time, so that there is a moment in which to stop."""
    platform.control_model({"kind": "latency", "seconds": 12})
    yield
    platform.control_model()


@pytest.fixture
def short_grace(platform: Platform) -> Iterator[None]:
    """A worker that may not take long to end."""
    platform.bundle.reload(["worker"], {"SHUTDOWN_GRACE_SECONDS": "1"})
    yield
    platform.bundle.reload(["worker"], {"SHUTDOWN_GRACE_SECONDS": ""})


def test_it_finishes_what_it_can_finish_in_time(platform: Platform) -> None:
    session_id = _being_graded(platform)
    platform.bundle.reload(["worker"])
    _completed(platform, session_id)
    assert _attempts(platform, session_id) == ["succeeded"]


@pytest.mark.usefixtures("short_grace")
def test_it_hands_back_what_it_cannot_and_no_failure_is_counted(platform: Platform) -> None:
    session_id = _being_graded(platform)
    platform.bundle.reload(["worker"])
    platform.control_model()
    _completed(platform, session_id)
    assert _attempts(platform, session_id) == ["released", "succeeded"]
    ((failures, lost),) = platform.rows(
        "SELECT failures, lost FROM jobs WHERE subject_id = %s AND kind = 'grading.grade_session'",
        session_id,
    )
    assert (failures, lost) == (0, 0)


def _being_graded(platform: Platform) -> UUID:
    call = never_heard_before(demo_call("01-discovery-strong"))
    session_id = platform.start_session(platform.signed_in("rep"), call)
    platform.deliver(call, session_id)
    eventually(
        lambda: platform.rows(
            """SELECT 1 FROM jobs
            WHERE subject_id = %s AND kind = 'grading.grade_session' AND state = 'running'""",
            session_id,
        )
    )
    return session_id


def _completed(platform: Platform, session_id: UUID) -> None:
    rep = platform.signed_in("rep")
    eventually(lambda: rep.get(f"/api/sessions/{session_id}").json()["status"] == "completed")


def _attempts(platform: Platform, session_id: UUID) -> list[str]:
    rows = platform.rows(
        """SELECT a.outcome FROM job_attempts a JOIN jobs j ON j.id = a.job_id
        WHERE j.subject_id = %s AND j.kind = 'grading.grade_session' ORDER BY a.attempt""",
        session_id,
    )
    return [outcome for (outcome,) in rows]
