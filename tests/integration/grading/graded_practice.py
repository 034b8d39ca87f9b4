"""A team that practises calls and waits for their grades."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import httpx2
from tests.support.people import Team

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs.enqueue import enqueue
from clozone.models.operations import Job, LlmCall
from clozone.models.training import SessionGrade
from clozone.sessions.rollup import changing
from clozone.sessions.transcript import Turn

Json = dict[str, Any]

RUBRIC: Json = {
    "pass_score": 60,
    "criteria": [
        {
            "key": "discovery",
            "name": "Discovery",
            "kind": "checklist",
            "weight": 60,
            "items": [
                {"key": "budget", "text": "Asks about the budget", "examples": ["what budget"]},
                {"key": "decider", "text": "Asks who decides", "examples": ["who decides"]},
            ],
        },
        {
            "key": "next_step",
            "name": "Agrees a next step",
            "kind": "yes_no",
            "weight": 40,
            "examples": ["shall we say thursday"],
        },
        {
            "key": "honest",
            "name": "No guarantees",
            "kind": "compliance",
            "rule": "must_not_say",
            "examples": ["we guarantee"],
        },
    ],
}
BUDGET = "Thanks for taking the time. What budget have you set aside for this?"
DECIDER = "I see. And who decides about it in the end, is it you alone?"
NEXT_STEP = "Good to know. Shall we say Thursday at ten for the next conversation?"
SMALL_TALK = "The weather has been rather mild around here for the season, has it not?"
GUARANTEE = "We guarantee that you will double your revenue within a month."


def call(*rep_lines: str) -> list[Turn]:
    """A conversation in which the rep says these lines, with times."""
    turns: list[Turn] = []
    for number, line in enumerate(rep_lines or (BUDGET, DECIDER, NEXT_STEP)):
        answer = f"Well, let me think about point {number}, it is not so easy to say right now."
        for speaker, text in (("rep", line), ("customer", answer)):
            start = 8.0 * len(turns)
            turns.append(Turn(len(turns), speaker, text, start, start + 7.0))  # type: ignore[arg-type]
    return turns


def eventually(holds: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait until `holds()` is true, and return what it returned; fails when that does not come."""
    deadline = time.monotonic() + seconds
    while not (result := holds()):
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.02)
    return result


@dataclass
class GradedPractice:
    """A template with a rubric, and sessions whose call is over."""

    team: Team
    rep: httpx2.Client
    manager: httpx2.Client
    template: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.template = self._made(
            self.manager,
            "/api/templates",
            {"name": "Cold call", "scenario": "A haulier.", "rubric": RUBRIC},
        )

    def assignment(self, target_score: int | None) -> UUID:
        """An assignment of the template to the rep."""
        body = {
            "template_id": self.template["id"],
            "user_id": str(self.team.people["rep"]),
            "title": "Practise",
            "target_score": target_score,
        }
        return UUID(self._made(self.manager, "/api/assignments", body)["id"])

    def session(self, turns: list[Turn], assignment_id: UUID | None = None, **fields: Any) -> UUID:
        """A session of the rep whose call is over, not yet announced to grading."""
        body = {"template_id": self.template["id"]}
        if assignment_id is not None:
            body["assignment_id"] = str(assignment_id)
        session_id = UUID(self._made(self.rep, "/api/sessions", body)["id"])
        state = {"status": "processing", "transcript": [asdict(turn) for turn in turns]}
        with unit_of_work(self.scope), changing(session_id) as session:
            for name, value in (state | fields).items():
                setattr(session, name, value)
        return session_id

    def ask_for_grade(self, session_id: UUID) -> UUID:
        """Put the grading job into the ledger, as the step before it does; the job's id."""
        payload = {"session_id": str(session_id)}
        with unit_of_work(self.scope):
            return enqueue("grading.grade_session", payload, subject_id=session_id)

    def graded(self, turns: list[Turn] | None = None, **options: Any) -> UUID:
        """A session that was graded by the worker."""
        session_id = self.session(turns or call(), **options)
        self.ask_for_grade(session_id)
        eventually(lambda: self.shown(session_id)["status"] == "completed")
        return session_id

    def shown(self, session_id: UUID) -> Json:
        """The session as the API shows it to the rep."""
        answer = self.rep.get(f"/api/sessions/{session_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, job_id: UUID | str) -> Job:
        """The job, once it has ended."""
        return eventually(lambda: (job := self.job(job_id)).finished_at and job)  # type: ignore[no-any-return]

    def job(self, job_id: UUID | str) -> Job:
        """The job as it stands."""
        with unit_of_work(self.scope):
            job: Job = Job.get_by_id(job_id)
            return job

    def jobs(self, session_id: UUID, kind: str) -> list[Job]:
        """The jobs of this kind about the session, oldest first."""
        with unit_of_work(self.scope):
            about = (Job.subject_id == session_id) & (Job.kind == kind)
            return list(Job.select().where(about).order_by(Job.created_at))

    def model_calls(self, **of: Any) -> list[LlmCall]:
        """The organisation's entries in the account book, oldest first."""
        with unit_of_work(self.scope):
            calls = LlmCall.select().order_by(LlmCall.created_at, LlmCall.id)
            return list(calls.filter(**of) if of else calls)

    def grade(self, session_id: UUID) -> SessionGrade:
        """The grade as stored."""
        with unit_of_work(self.scope):
            grade: SessionGrade = SessionGrade.get(SessionGrade.session_id == session_id)
            return grade

    @property
    def scope(self) -> Scope:
        return Scope.tenant(self.team.org_id)

    @staticmethod
    def _made(client: httpx2.Client, path: str, body: Json) -> Json:
        answer = client.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())
