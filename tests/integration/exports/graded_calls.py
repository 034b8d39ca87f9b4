"""Graded sessions as the pipeline leaves them, and what became of their scorecards."""

from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

from pypdf import PdfReader

from clozone.grading.evidence import Evidence
from clozone.grading.scoring import score
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization, Profile
from clozone.models.operations import Job
from clozone.models.training import (
    Export,
    Rubric,
    SessionGrade,
    SessionReview,
    Template,
    TrainingSession,
)
from clozone.sessions.erasure import delete_session
from clozone.sessions.metrics import measure
from clozone.sessions.rollup import changing
from clozone.sessions.transcript import Turn
from clozone.training.rubric import Rubric as RubricBody
from clozone.web.identity import Actor, Role

CALLED_AT = datetime(2026, 11, 24, 9, 4, tzinfo=UTC)
RUBRIC = {
    "pass_score": 60,
    "criteria": [
        {
            "key": "discovery",
            "name": "Discovery",
            "kind": "checklist",
            "weight": 60,
            "items": [
                {"key": "budget", "text": "Asks about the budget"},
                {"key": "decider", "text": "Asks who else decides"},
            ],
        },
        {"key": "next_step", "name": "Agrees a next step", "kind": "yes_no", "weight": 40},
    ],
}
TURNS = [
    Turn(0, "rep", "Hello, what budget have you set aside?", 0.5, 4.0),
    Turn(1, "customer", "About four thousand a month, give or take.", 4.5, 9.0),
    Turn(2, "rep", "Shall we say Thursday at ten?", 75.0, 78.0),
    Turn(3, "customer", "Thursday is good. Goodbye.", 78.5, 81.0),
]
EVIDENCE = {
    "language": "en",
    "summary": "A short call that ended with a date.",
    "criteria": [
        {
            "key": "discovery",
            "level": None,
            "findings": [
                {
                    "item": "budget",
                    "observed": True,
                    "quotes": [{"turn": 0, "text": "what budget have you set aside"}],
                    "note": "",
                }
            ],
        },
        {
            "key": "next_step",
            "level": None,
            "findings": [
                {
                    "item": "next_step",
                    "observed": True,
                    "quotes": [{"turn": 2, "text": "Shall we say Thursday at ten?"}],
                    "note": "A date and an hour.",
                }
            ],
        },
    ],
    "strengths": ["You asked for the budget first."],
    "next_steps": ["Ask who else decides."],
    "better_lines": [{"turn": 2, "said": "Shall we say Thursday?", "better": "Who joins us?"}],
}
SCORE = 70


@dataclass(frozen=True)
class Team:
    """An organisation with two managers, two reps and a template.

    The manager sets scores, the coach only comments.
    """

    org_id: UUID
    manager: UUID
    coach: UUID
    rep: UUID
    other_rep: UUID
    template_id: UUID
    rubric_id: UUID

    @property
    def scope(self) -> Scope:
        return Scope.tenant(self.org_id)


def make_team() -> Team:
    ids = [new_id() for _ in range(7)]
    team = Team(*ids)
    with unit_of_work(Scope.platform()):
        Organization.create(id=team.org_id, name="Northwind Logistics")
        for user_id, name, role in (
            (team.manager, "Ada Ruiz", "manager"),
            (team.coach, "Bo Lind", "manager"),
            (team.rep, "Maya Chen", "rep"),
            (team.other_rep, "Jonas Weber", "rep"),
        ):
            Profile.create(
                id=user_id,
                org_id=team.org_id,
                email=f"{user_id}@example.com",
                full_name=name,
                role=role,
            )
        Template.create(
            id=team.template_id,
            org_id=team.org_id,
            user_id=team.manager,
            rubric_id=team.rubric_id,
            name="Cold call",
            scenario="A haulier.",
        )
        Rubric.create(
            id=team.rubric_id,
            org_id=team.org_id,
            template_id=team.template_id,
            version=1,
            body=RUBRIC,
            content_hash=RubricBody.model_validate(RUBRIC).content_hash(),
        )
    return team


def make_session(team: Team, **fields: Any) -> UUID:
    """A session of the rep, with a call but without a grade."""
    session_id = new_id()
    with unit_of_work(team.scope):
        TrainingSession.create(
            id=session_id,
            org_id=team.org_id,
            user_id=team.rep,
            template_id=team.template_id,
            rubric_id=team.rubric_id,
            started_at=CALLED_AT,
            duration_seconds=81.0,
            transcript=[
                {name: getattr(turn, name) for name in ("index", "speaker", "text", "start", "end")}
                for turn in TURNS
            ],
            metrics=measure(TURNS, 81.0, "en").to_json(),
            **({"status": "processing"} | fields),
        )
    return session_id


def grade(team: Team, session_id: UUID) -> None:
    """Grade the session with what the scoring makes of EVIDENCE."""
    evidence = Evidence.model_validate(EVIDENCE)
    scored = score(RubricBody.model_validate(RUBRIC), evidence, TURNS)
    with unit_of_work(team.scope), changing(session_id) as session:
        session.status = "completed"
        SessionGrade.create(
            org_id=team.org_id,
            session_id=session_id,
            user_id=team.rep,
            template_id=team.template_id,
            rubric_id=team.rubric_id,
            score=scored.score,
            passed=scored.passed,
            blockers=scored.blockers_json(),
            criteria=scored.criteria_json(),
            evidence=EVIDENCE,
            summary=evidence.summary,
            strengths=EVIDENCE["strengths"],
            next_steps=EVIDENCE["next_steps"],
            better_lines=EVIDENCE["better_lines"],
            language="en",
            model="clozone-offline-1",
            prompt_version="evidence-1",
        )


def make_graded_session(team: Team) -> UUID:
    session_id = make_session(team)
    grade(team, session_id)
    return session_id


def review(team: Team, session_id: UUID, comment: str, override_score: int | None) -> None:
    """A manager's word on the session, as the grading slice writes it; None leaves the score."""
    with unit_of_work(team.scope), changing(session_id):
        SessionReview.create(
            org_id=team.org_id,
            session_id=session_id,
            reviewer_id=team.manager if override_score is not None else team.coach,
            comment=comment,
            override_score=override_score,
        )
        if override_score is not None:
            SessionGrade.update(override_score=override_score).where(
                SessionGrade.session_id == session_id
            ).execute()


def delete(team: Team, session_id: UUID) -> None:
    """What the API does when a manager deletes the session."""
    with unit_of_work(team.scope):
        delete_session(Actor(team.manager, team.org_id, Role.manager), session_id)


def exports_of(team: Team, session_id: UUID) -> list[Export]:
    """The exports of the session, oldest first."""
    with unit_of_work(team.scope):
        return list(
            Export.select().where(Export.session_id == session_id).order_by(Export.created_at)
        )


def jobs_of(team: Team, session_id: UUID) -> list[Job]:
    """The jobs about the session, oldest first."""
    with unit_of_work(team.scope):
        return list(Job.select().where(Job.subject_id == session_id).order_by(Job.created_at))


def text_of(pdf: bytes) -> str:
    """The words on the pages, in one line."""
    pages = PdfReader(BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())
