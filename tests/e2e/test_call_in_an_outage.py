from pathlib import Path

from tests.support.platform import Platform, demo_call, eventually, never_heard_before


def test_a_call_that_ends_while_postgres_is_gone_is_graded_once(platform: Platform) -> None:
    call = never_heard_before(demo_call("01-discovery-strong"))
    rep = platform.signed_in("rep")
    session_id = platform.start_session(rep, call)
    webhooks = platform.webhooks(call, session_id)
    postgres = platform.bundle.process("postgres")
    spool = Path(platform.environment["CLOZONE_HOME"]) / "spool"

    postgres.stop()
    try:
        # Twice, as a sender does that lost the answer; each through nginx to any of the instances.
        for _ in range(2):
            platform.post(webhooks)
        assert list(spool.glob("*.event"))
    finally:
        postgres.start()
        assert postgres.wait_ready(60)
    eventually(lambda: not list(spool.glob("*.event")))
    eventually(
        lambda: (
            platform.rows("SELECT status FROM training_sessions WHERE id = %s", session_id)
            == [("completed",)]
        ),
        seconds=120,
    )
    for table in ("session_grades", "exports"):
        counted = platform.rows(
            f"SELECT count(*) FROM {table} WHERE session_id = %s",
            session_id,
        )
        assert counted == [(1,)]
    events = platform.rows(
        "SELECT state, mod(deliveries, 2) FROM webhook_events WHERE session_id = %s", session_id
    )
    assert set(events) == {("processed", 0)}
