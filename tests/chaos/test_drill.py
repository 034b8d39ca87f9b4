"""The short drill, and that its proofs find each kind of loss: one that finds none proves nothing."""

import hashlib
import io
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from minio import Minio
from tests.chaos.drilled import Drilled

from clozone.drill.incidents import Incidents
from clozone.drill.parts import SECOND_WORKER
from clozone.drill.proofs.leftovers import prove_nothing_stuck
from clozone.drill.proofs.lost import prove_leases
from clozone.drill.proofs.payments import prove_payments
from clozone.drill.proofs.recovery import prove_recovery
from clozone.drill.proofs.scorecards import prove_scorecards
from clozone.drill.schedule import Act
from clozone.kit.clock import now

# The drill runs in the first test's fixture.
pytestmark = pytest.mark.timeout(480)


def test_nothing_is_lost_and_nothing_happens_twice(drilled: Drilled) -> None:
    report = drilled.report
    found = {p.name: p.examples for p in report.proofs if not p.holds and p.name != "recovery"}
    assert found == {}
    assert report.came_to_rest
    assert report.shortfalls == []
    assert not any("never started again" in words for p in report.proofs for words in p.examples)


def test_everybody_was_killed(drilled: Drilled) -> None:
    assert sum(drilled.report.kills.values()) == 11
    assert {"postgres", "valkey", "s3", "nginx", "worker", "scheduler"} <= set(drilled.report.kills)
    assert {each["act"] for each in drilled.report.incidents} >= set(Act) - {Act.death}
    assert drilled.report.model_faults


def test_there_was_something_to_lose(drilled: Drilled) -> None:
    traffic = drilled.report.traffic
    assert traffic["deliveries"] > traffic["messages"]
    assert traffic["calls"]["twins"] >= 1
    assert traffic["calls"]["not_gradable"] >= 1


def test_a_lost_webhook_is_found(drilled: Drilled) -> None:
    (event,) = drilled.row("SELECT id FROM webhook_events WHERE call_id = ANY(%(calls)s)")
    with drilled.harmed(
        "UPDATE webhook_events SET call_id = 'gone-' || call_id WHERE id = %(id)s",
        "UPDATE webhook_events SET call_id = substr(call_id, 6) WHERE id = %(id)s",
        id=event,
    ):
        assert set(drilled.broken()) == {"inbox"}


def test_a_webhook_stored_twice_is_found(drilled: Drilled) -> None:
    (event,) = drilled.row("SELECT id FROM webhook_events WHERE call_id = ANY(%(calls)s)")
    with drilled.harmed(
        """INSERT INTO webhook_events SELECT (jsonb_populate_record(e,
          jsonb_build_object('id', %(twin)s::text, 'dedupe_key', '\\x00'))).*
        FROM webhook_events e WHERE id = %(id)s""",
        "DELETE FROM webhook_events WHERE id = %(twin)s::uuid",
        id=event,
        twin=str(uuid4()),
    ):
        assert set(drilled.broken()) == {"inbox"}


def test_a_webhook_with_another_body_is_found(drilled: Drilled) -> None:
    (event,) = drilled.row("SELECT id FROM webhook_events WHERE call_id = ANY(%(calls)s)")
    with drilled.harmed(
        "UPDATE webhook_events SET body = body || convert_to(' ', 'UTF8') WHERE id = %(id)s",
        """UPDATE webhook_events SET body = substring(body FOR length(body) - 1)
        WHERE id = %(id)s""",
        id=event,
    ):
        assert set(drilled.broken()) == {"inbox"}


def test_an_event_left_unprocessed_is_found(drilled: Drilled) -> None:
    (event,) = drilled.row(
        "SELECT id FROM webhook_events WHERE call_id = ANY(%(calls)s) AND state = 'processed'"
    )
    with drilled.harmed(
        "UPDATE webhook_events SET state = 'received' WHERE id = %(id)s",
        "UPDATE webhook_events SET state = 'processed' WHERE id = %(id)s",
        id=event,
    ):
        assert set(drilled.broken()) == {"inbox", "nothing stuck"}


def test_a_lost_grade_is_found(drilled: Drilled) -> None:
    (grade,) = drilled.row("SELECT id FROM session_grades WHERE org_id = %(org)s")
    with drilled.harmed(
        "UPDATE session_grades SET session_id = org_id WHERE id = %(id)s",
        """UPDATE session_grades SET session_id =
          (SELECT session_id FROM llm_calls WHERE id = session_grades.llm_call_id)
        WHERE id = %(id)s""",
        id=grade,
    ):
        assert {"grades", "rollup"} <= set(drilled.broken())


@pytest.mark.parametrize("column", ["sessions", "graded", "score_sum", "duration_ms"])
def test_a_session_counted_twice_is_found(drilled: Drilled, column: str) -> None:
    day, user, template = drilled.row(
        "SELECT day, user_id, template_id FROM daily_stats WHERE org_id = %(org)s AND graded > 0"
    )
    change = (
        f"UPDATE daily_stats SET {column} = {column} {{}} 1"
        " WHERE day = %(day)s AND user_id = %(user)s AND template_id = %(template)s"
    )
    values = {"day": day, "user": user, "template": template}
    with drilled.harmed(change.format("+"), change.format("-"), **values):
        assert set(drilled.broken()) == {"rollup"}


def test_content_paid_for_twice_is_found(drilled: Drilled) -> None:
    (call,) = drilled.row("SELECT id FROM llm_calls WHERE org_id = %(org)s AND state = 'settled'")
    with drilled.harmed(
        """INSERT INTO llm_calls SELECT (jsonb_populate_record(c,
          jsonb_build_object('id', %(twin)s::text, 'job_id', %(twin)s::text))).*
        FROM llm_calls c WHERE id = %(id)s""",
        "DELETE FROM llm_calls WHERE id = %(twin)s::uuid",
        id=call,
        twin=str(uuid4()),
    ):
        assert set(drilled.broken()) == {"payments", "budgets"}


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen worker", "nothing happened"])
def test_only_what_happened_to_a_worker_excuses_a_second_purchase(
    drilled: Drilled, frozen: bool
) -> None:
    call, job, asked_at = drilled.row(
        "SELECT id, job_id, created_at FROM llm_calls WHERE org_id = %(org)s AND state = 'settled'"
    )
    incidents = Incidents()
    for each in drilled.evidence.incidents.all():
        incidents.note(each.act, each.name, each.at, each.pid).ended_at = each.ended_at
    if frozen:
        incidents.note(Act.freeze, "worker", asked_at, pid=999_999)
    harmed = replace(drilled, evidence=replace(drilled.evidence, incidents=incidents))
    before = prove_payments(drilled.evidence).facts
    with drilled.harmed(
        """WITH again AS (INSERT INTO llm_calls SELECT (jsonb_populate_record(c,
            jsonb_build_object('id', %(twin)s::text))).* FROM llm_calls c WHERE id = %(id)s)
        INSERT INTO job_attempts (job_id, org_id, attempt, worker, outcome, started_at, finished_at)
        SELECT job_id, org_id, 1000, 'worker@here:999999', 'lost', created_at, created_at
        FROM llm_calls WHERE id = %(id)s""",
        """WITH attempts AS (DELETE FROM job_attempts WHERE job_id = %(job)s AND attempt = 1000)
        DELETE FROM llm_calls WHERE id = %(twin)s::uuid""",
        id=call,
        job=job,
        twin=str(uuid4()),
    ):
        after = prove_payments(harmed.evidence).facts
        broken = set(harmed.broken())
    assert ("leases" in broken) is not frozen
    assert after["of_which_recorded_late"] - before["of_which_recorded_late"] == int(frozen)
    assert after["double_payments"] == int(not frozen)


def test_a_job_that_did_not_outlast_its_lease_shows_nothing_of_leases(drilled: Drilled) -> None:
    assert prove_leases(drilled.evidence).facts["tries_longer_than_two_leases"] > 0
    with drilled.harmed(
        """UPDATE job_attempts SET started_at = started_at + interval '1 hour',
          finished_at = started_at + interval '1 hour'
            + (finished_at - started_at) / 1000 WHERE org_id = %(org)s""",
        """UPDATE job_attempts SET started_at = started_at - interval '1 hour',
          finished_at = started_at - interval '1 hour'
            + (finished_at - started_at) * 1000 WHERE org_id = %(org)s""",
        org=drilled.evidence.orgs[0],
    ):
        assert not prove_leases(drilled.evidence).holds


def test_an_answer_the_book_does_not_know_is_found(drilled: Drilled) -> None:
    drilled.evidence.answers.by_content["of a content nobody asked about"] = 1
    try:
        assert set(drilled.broken()) == {"payments"}
    finally:
        del drilled.evidence.answers.by_content["of a content nobody asked about"]


@pytest.mark.parametrize("known", [True, False], ids=["asked once more", "answered once more"])
def test_a_second_answer_to_a_known_content_is_found(drilled: Drilled, known: bool) -> None:
    """Calls that were never answered, here one that timed out, are no excuse for it."""
    (call,) = drilled.row("SELECT id FROM llm_calls WHERE org_id = %(org)s AND state = 'settled'")
    (text,) = drilled.row(
        f"SELECT content FROM llm_cache WHERE llm_call_id = '{call}'",
    )
    answers = drilled.evidence.answers
    digest = hashlib.sha256(text.encode()).hexdigest()
    content = next(each for each, found in answers.texts.items() if found == digest)
    with drilled.harmed(
        """INSERT INTO llm_calls SELECT (jsonb_populate_record(c, jsonb_build_object(
          'id', %(twin)s::text, 'state', 'failed', 'error', 'timeout: no answer in time',
          'cost_microdollars', null, 'prompt_tokens', null, 'completion_tokens', null,
          'budget_ids', '{}'::text))).*
        FROM llm_calls c WHERE id = %(id)s""",
        "DELETE FROM llm_calls WHERE id = %(twin)s::uuid",
        id=call,
        twin=str(uuid4()),
    ):
        assert drilled.broken() == {}
        more = {**answers.by_content, content: answers.by_content[content] + 1}
        asked = {**answers.asked, content: answers.asked[content] + int(known)}
        evidence = replace(drilled.evidence, answers=replace(answers, by_content=more, asked=asked))
        assert set(replace(drilled, evidence=evidence).broken()) == {"payments"}


def test_money_still_reserved_is_found(drilled: Drilled) -> None:
    (call,) = drilled.row("SELECT id FROM llm_calls WHERE org_id = %(org)s AND state = 'cached'")
    with drilled.harmed(
        # As if it were asked just now: the scheduler closes old ones by itself.
        "UPDATE llm_calls SET state = 'reserved', created_at = now() WHERE id = %(id)s",
        "UPDATE llm_calls SET state = 'cached' WHERE id = %(id)s",
        id=call,
    ):
        assert "nothing stuck" in drilled.broken()


@pytest.mark.parametrize(
    ("state", "found"), [("running", "nothing stuck"), ("dead", "nothing buried")]
)
def test_a_job_that_is_stuck_or_dead_is_found(drilled: Drilled, state: str, found: str) -> None:
    (job,) = drilled.row(
        """SELECT id FROM jobs WHERE org_id = %(org)s AND state = 'succeeded'
        AND kind = 'sessions.clean_transcript'"""
    )
    with drilled.harmed(
        "UPDATE jobs SET state = %(state)s WHERE id = %(id)s",
        "UPDATE jobs SET state = 'succeeded' WHERE id = %(id)s",
        id=job,
        state=state,
    ):
        assert found in drilled.broken()


def test_a_job_that_succeeded_twice_is_found(drilled: Drilled) -> None:
    (job,) = drilled.row("SELECT id FROM jobs WHERE org_id = %(org)s AND state = 'succeeded'")
    with drilled.harmed(
        """INSERT INTO job_attempts (job_id, org_id, attempt, worker, outcome, started_at, finished_at)
        SELECT job_id, org_id, 1000, worker, outcome, started_at, finished_at FROM job_attempts
        WHERE job_id = %(id)s AND outcome = 'succeeded'""",
        "DELETE FROM job_attempts WHERE job_id = %(id)s AND attempt = 1000",
        id=job,
    ):
        assert set(drilled.broken()) == {"tries"}


def test_a_spooled_webhook_is_found(drilled: Drilled) -> None:
    spool = drilled.evidence.target.spool
    left = spool / "left.set-aside"
    left.write_text("something that was promised")
    try:
        assert set(drilled.broken()) == {"nothing stuck"}
    finally:
        left.unlink()


def test_a_spool_that_is_not_there_is_not_taken_for_an_empty_one(drilled: Drilled) -> None:
    spool = drilled.evidence.target.spool
    incidents = Incidents()
    for _ in range(2):
        incidents.note(Act.kill, "postgres", now())
    moved = spool.rename(spool.with_name("moved"))
    try:
        evidence = replace(drilled.evidence, incidents=incidents)
        assert not prove_nothing_stuck(evidence).holds
    finally:
        moved.rename(spool)


def test_a_missing_a_broken_and_a_second_scorecard_are_found(drilled: Drilled) -> None:
    (key,) = drilled.row("SELECT object_key FROM exports WHERE org_id = %(org)s")
    content = drilled.evidence.objects.read(key)
    store, bucket = _store(drilled)
    try:
        store.remove_object(bucket, key)
        assert set(drilled.broken()) == {"scorecards"}
        store.put_object(bucket, key, io.BytesIO(content[:-100]), len(content) - 100)
        assert set(drilled.broken()) == {"scorecards"}
        store.put_object(bucket, key, io.BytesIO(content), len(content))
        assert drilled.broken() == {}
        second = key.replace(".pdf", "-2.pdf")
        store.put_object(bucket, second, io.BytesIO(content), len(content))
        assert set(drilled.broken()) == {"scorecards"}
        store.remove_object(bucket, second)
    finally:
        store.put_object(bucket, key, io.BytesIO(content), len(content))


def test_an_export_of_no_session_is_found(drilled: Drilled) -> None:
    (export,) = drilled.row("SELECT id FROM exports WHERE org_id = %(org)s")
    with drilled.harmed(
        """INSERT INTO exports SELECT (jsonb_populate_record(e, jsonb_build_object(
          'id', %(twin)s::text, 'session_id', %(twin)s::text, 'state', 'failed'))).*
        FROM exports e WHERE id = %(id)s""",
        "DELETE FROM exports WHERE id = %(twin)s::uuid",
        id=export,
        twin=str(uuid4()),
    ):
        assert set(drilled.broken()) == {"scorecards"}


def test_scores_are_claimed_only_where_they_were_read(drilled: Drilled) -> None:
    whole = prove_scorecards(drilled.evidence)
    read = whole.facts["scores_read"]
    assert whole.claim.endswith(f"(score read on {read} of {read})")
    few = prove_scorecards(replace(drilled.evidence, most_read=3))
    assert few.claim.endswith(f"(score read on 3 of {read})")


def test_a_job_that_waited_too_long_for_another_worker_is_found(drilled: Drilled) -> None:
    job, began = drilled.row(
        """SELECT j.id, a.started_at FROM jobs j JOIN job_attempts a ON a.job_id = j.id
        WHERE j.org_id = %(org)s AND a.attempt = 1 AND a.outcome = 'succeeded'"""
    )
    incidents = Incidents()
    incidents.note(Act.kill, "worker", began, pid=1)
    evidence = replace(drilled.evidence, incidents=incidents)
    assert not prove_recovery(evidence).is_shown
    with drilled.harmed(
        """WITH lost AS (UPDATE job_attempts SET worker = 'worker@here:1', outcome = 'lost'
          WHERE job_id = %(id)s AND attempt = 1 RETURNING *)
        INSERT INTO job_attempts (job_id, org_id, attempt, worker, outcome, started_at, finished_at)
        SELECT job_id, org_id, 2, worker, 'succeeded', started_at + interval '11 seconds',
          finished_at + interval '11 seconds' FROM lost""",
        """WITH again AS (DELETE FROM job_attempts WHERE job_id = %(id)s AND attempt = 2)
        UPDATE job_attempts SET outcome = 'succeeded' WHERE job_id = %(id)s AND attempt = 1""",
        id=job,
    ):
        assert not prove_recovery(evidence).holds
        # While there was no worker at all, the job could not have been run.
        incidents.note(Act.kill, SECOND_WORKER, began).ended_at = began + timedelta(seconds=2)
        incidents.all()[0].ended_at = began + timedelta(seconds=2)
        assert prove_recovery(evidence).holds


def _store(drilled: Drilled) -> tuple[Minio, str]:
    target = drilled.evidence.target
    store = Minio(
        endpoint=target.plan.address("s3"),
        access_key=target.plan.keys.s3_access_key,
        secret_key=target.plan.keys.s3_secret_key,
        secure=False,
        region=target.environment["S3_REGION"],
    )
    return store, target.environment["S3_BUCKET"]
