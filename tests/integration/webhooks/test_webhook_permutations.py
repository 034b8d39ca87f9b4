"""In whatever order, however often and with whatever between them a call's messages arrive: one end."""

import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inbox_probe import CLEAN, GRADE, PROCESS, Inbox
from tests.support.practice import Practice
from tests.support.vapi import STARTED_AT, TALK, Call, Json, metadata_of

from clozone.models.operations import Job
from clozone.models.training import TrainingSession

OWN = {"id", "vapi_call_id", "created_at", "updated_at", "recording_url"}
SILENT = {"endedReason": "customer-did-not-answer", "cost": 0.01, "durationSeconds": 2.0}


def statuses(call: Call) -> list[Json]:
    """What the call tells about itself while it goes on."""
    return [
        call.status("queued"),
        call.status("ringing"),
        call.status("in-progress", startedAt="2026-11-24T02:59:58Z"),
        call.status("in-progress", startedAt="2026-11-24T02:59:58Z", summary="So far so good."),
        call.ended(),
    ]


SCRIPTS = {
    "graded": lambda call: [*statuses(call), call.report(*TALK)],
    "silent": lambda call: [*statuses(call), call.report(**SILENT)],
    "report that tells little": lambda call: [
        *statuses(call),
        call.report(*TALK, startedAt=None, endedAt=None, endedReason=None, cost=None, analysis={}),
    ],
    "two reports": lambda call: [
        *statuses(call),
        call.report(**SILENT),
        call.report(TALK[0], **SILENT),
        call.report(*TALK),
    ],
}


class Run:
    """One call's deliveries, and the jobs that wait because of them."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: list[Job] = []
        self.events: list[UUID] = []
        self.session_id: UUID | None = None

    def deliver(self, body: Json) -> None:
        event_id = self._inbox.take(body)
        if event_id not in self.events:
            self._waiting += self._inbox.jobs_of(event_id)
        self.events.append(event_id)

    def work(self, rng: random.Random, share: float) -> None:
        """Run some of what waits, in any order."""
        rng.shuffle(self._waiting)
        number = round(len(self._waiting) * share)
        now, self._waiting = self._waiting[:number], self._waiting[number:]
        self._inbox.run(now)
        for job in now:
            if job.kind == PROCESS:
                self._follow(UUID(job.payload["event_id"]))

    def _follow(self, event_id: UUID) -> None:
        session_id = self._inbox.event(event_id).session_id
        assert self.session_id in (None, session_id)
        self.session_id = session_id
        known = {job.id for job in self._waiting}
        for job in self._inbox.jobs_on(session_id, CLEAN):
            if job.state == "queued" and job.id not in known:
                self._waiting.append(job)

    def end(self, rng: random.Random) -> TrainingSession:
        """Run everything; the one session there is."""
        while self._waiting:
            self.work(rng, 1)
        return self._inbox.session(self.session_id)


def facts(session: TrainingSession) -> dict[str, Any]:
    return {name: value for name, value in session.__data__.items() if name not in OWN}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_order_ends_alike(inbox: Inbox, practice: Practice, script: str):
    def new_call(announced: bool) -> list[Json]:
        session_id = practice.session() if announced else None
        return SCRIPTS[script](Call(metadata_of(practice, session_id)))

    straight = Run(inbox)
    bodies = new_call(announced=True)
    length = len(bodies)
    for body in bodies:
        straight.deliver(body)
        straight.work(random.Random(0), 1)
    expected = straight.end(random.Random(0))
    assert expected.status == ("not_gradable" if script == "silent" else "processing")

    @settings(
        max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(
        st.booleans(),
        st.permutations(range(length)),
        st.lists(st.integers(0, length - 1), max_size=4),
        st.integers(0, 2**32),
    )
    def arrive(announced: bool, order: list[int], repeated: list[int], seed: int) -> None:
        rng = random.Random(seed)
        bodies = new_call(announced)
        sequence = [*order]
        for number in repeated:
            sequence.insert(rng.randint(0, len(sequence)), number)
        run = Run(inbox)
        for number in sequence:
            run.deliver(bodies[number])
            run.work(rng, rng.choice((0, 0, 0.5, 1)))
        session = run.end(rng)
        assert len(set(run.events)) == length
        assert facts(session) == facts(expected)
        grading = inbox.jobs_on(session.id, GRADE)
        assert len(grading) == (0 if script == "silent" else 1)

    arrive()
    assert practice.rollup() == practice.recount()


def test_the_straight_order_is_right(inbox: Inbox, practice: Practice):
    """What the orders above are compared with."""
    run = Run(inbox)
    for body in SCRIPTS["graded"](Call(metadata_of(practice, practice.session()))):
        run.deliver(body)
    session = run.end(random.Random(0))
    assert session.started_at == STARTED_AT
    assert (session.ended_reason, session.duration_seconds) == ("customer-ended-call", 36.0)
    assert (session.call_summary, session.call_cost_microdollars) == (
        "A talk about prices.",
        418_700,
    )
    assert len(session.transcript) == len(TALK)
