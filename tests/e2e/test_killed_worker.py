from uuid import UUID

from tests.support.platform import Platform, demo_call, eventually, never_heard_before


def test_a_worker_killed_while_grading_grades_the_session_once(platform: Platform) -> None:
    call = never_heard_before(demo_call("01-discovery-strong"))
    rep = platform.signed_in("rep")
    session_id = platform.start_session(rep, call)
    platform.control_model({"kind": "latency", "seconds": 3})
    try:
        platform.deliver(call, session_id)
        eventually(lambda: _grading_states(platform, session_id) == ["running"])
        platform.bundle.kill("worker")
    finally:
        platform.control_model()
    eventually(lambda: rep.get(f"/api/sessions/{session_id}").json()["status"] == "completed")
    eventually(lambda: _exports(platform, session_id) == [("ready",)])

    grades = platform.rows("SELECT count(*) FROM session_grades WHERE session_id = %s", session_id)
    assert grades == [(1,)]
    attempts = platform.rows(
        """SELECT a.outcome FROM job_attempts a JOIN jobs j ON j.id = a.job_id
        WHERE j.subject_id = %s AND j.kind = 'grading.grade_session' ORDER BY a.attempt""",
        session_id,
    )
    assert attempts == [("lost",), ("succeeded",)]
    assert _grading_states(platform, session_id) == ["succeeded"]


def _grading_states(platform: Platform, session_id: UUID) -> list[str]:
    rows = platform.rows(
        "SELECT state FROM jobs WHERE subject_id = %s AND kind = 'grading.grade_session'",
        session_id,
    )
    return [state for (state,) in rows]


def _exports(platform: Platform, session_id: UUID) -> list[tuple[str]]:
    return platform.rows("SELECT state FROM exports WHERE session_id = %s", session_id)
