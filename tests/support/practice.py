"""An organisation that practises: people, templates, sessions in any state, and a plain recount."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import product
from typing import Any
from uuid import UUID

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.accounts import Organization, Profile
from clozone.models.operations import DailyStat
from clozone.models.training import Assignment, Rubric, SessionGrade, Template, TrainingSession
from clozone.sessions.rollup import SUMS, changing

PASS_SCORE = 70
NOBODY = UUID(int=0)
ALL = UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
BLOCKER = {"key": "honest", "name": "Honest claims", "rule": "must_not_say", "quotes": []}
CRITERION = {
    "key": "opening",
    "name": "Opening",
    "kind": "yes_no",
    "weight": 100,
    "points": 100.0,
    "level": None,
    "claimed_level": None,
    "unsupported": False,
    "items": [
        {
            "key": "opening",
            "text": "Opening",
            "observed": True,
            "unsupported": False,
            "note": "",
            "quotes": [{"turn": 0, "text": "Hello there", "start": 0.5}],
            "unsupported_quotes": [{"turn": 1, "text": "Never said", "reason": "not_found"}],
        }
    ],
}


SCENARIO = "A buyer in a hurry."


@dataclass
class Practice:
    """An organisation with a manager, two reps and two templates, made in the database."""

    org_id: UUID = field(default_factory=new_id)
    manager: UUID = field(default_factory=new_id)
    rep: UUID = field(default_factory=new_id)
    other_rep: UUID = field(default_factory=new_id)
    templates: list[UUID] = field(default_factory=lambda: [new_id(), new_id()])
    rubrics: list[UUID] = field(default_factory=lambda: [new_id(), new_id()])

    def __post_init__(self) -> None:
        with unit_of_work(Scope.platform()):
            Organization.create(id=self.org_id, name="Acme")
            for user_id, name, role in (
                (self.manager, "Mara Voss", "manager"),
                (self.rep, "Ravi Iyer", "rep"),
                (self.other_rep, "Olga Sand", "rep"),
            ):
                Profile.create(
                    id=user_id,
                    org_id=self.org_id,
                    email=f"{user_id}@example.com",
                    full_name=name,
                    role=role,
                )
            for number, (template_id, rubric_id) in enumerate(
                zip(self.templates, self.rubrics, strict=True), start=1
            ):
                Template.create(
                    id=template_id,
                    org_id=self.org_id,
                    user_id=self.manager,
                    rubric_id=rubric_id,
                    name=f"Template {number}",
                    scenario=SCENARIO,
                )
                Rubric.create(
                    id=rubric_id,
                    org_id=self.org_id,
                    template_id=template_id,
                    version=1,
                    body={"pass_score": PASS_SCORE, "criteria": []},
                    content_hash=b"",
                )

    def add_rep(self, user_id: UUID) -> None:
        """One more rep, with this id."""
        with unit_of_work(Scope.platform()):
            Profile.create(
                id=user_id,
                org_id=self.org_id,
                email=f"{user_id}@example.com",
                full_name="Nils New",
                role="rep",
            )

    @property
    def scope(self) -> Scope:
        return Scope.tenant(self.org_id)

    def session(
        self,
        user_id: UUID | None = None,
        template: int | None = 0,
        created_at: datetime | None = None,
        **fields: Any,
    ) -> UUID:
        """A session that has not been called yet, of `rep` unless said otherwise."""
        with unit_of_work(self.scope):
            session = TrainingSession.create(
                org_id=self.org_id,
                user_id=user_id or self.rep,
                template_id=None if template is None else self.templates[template],
                rubric_id=None if template is None else self.rubrics[template],
                scenario=None if template is None else SCENARIO,
                created_at=created_at or now(),
                **fields,
            )
            return UUID(str(session.id))

    def assignment(self, user_id: UUID, template: int = 0, **fields: Any) -> UUID:
        """An assignment of a template to a rep."""
        with unit_of_work(self.scope):
            assignment = Assignment.create(
                org_id=self.org_id,
                template_id=self.templates[template],
                user_id=user_id,
                created_by=self.manager,
                title="Practise this",
                **fields,
            )
            return UUID(str(assignment.id))

    def change(self, session_id: UUID, **fields: Any) -> None:
        """Assign to columns of a session, as the platform does."""
        with unit_of_work(self.scope), changing(session_id) as session:
            for name, value in fields.items():
                setattr(session, name, value)

    def grade(self, session_id: UUID, score: int, **fields: Any) -> None:
        """Grade a session, or grade it again."""
        with unit_of_work(self.scope), changing(session_id) as session:
            session.status = "completed"
            template_id = session.template_id or self.templates[0]
            SessionGrade.delete().where(SessionGrade.session_id == session_id).execute()
            SessionGrade.create(
                **{
                    "org_id": self.org_id,
                    "session_id": session_id,
                    "user_id": session.user_id,
                    "template_id": template_id,
                    "rubric_id": self.rubrics[self.templates.index(template_id)],
                    "score": score,
                    "passed": score >= PASS_SCORE,
                    "criteria": [CRITERION],
                    "evidence": {},
                    "summary": "A call.",
                    "strengths": ["Listens."],
                    "next_steps": ["Ask for the next step."],
                    "better_lines": [{"turn": 0, "said": "Hello", "better": "Good morning"}],
                    "language": "en",
                    "model": "offline-rules",
                    "prompt_version": "1",
                    **fields,
                }
            )

    def graded(self, score: int, **session: Any) -> UUID:
        """A new session with this score."""
        session_id = self.session(**session)
        self.grade(session_id, score)
        return session_id

    def override(self, session_id: UUID, score: int | None) -> None:
        """A manager's word on the score."""
        with unit_of_work(self.scope), changing(session_id):
            SessionGrade.update(override_score=score).where(
                SessionGrade.session_id == session_id
            ).execute()

    def rollup(self) -> dict[tuple[date, UUID, UUID], dict[str, Any]]:
        """What each day added to the rollup for each person and template, if anything.

        Asserts that the other grains are the sums of these.
        """
        with unit_of_work(self.scope):
            rows = list(DailyStat.select().order_by(DailyStat.day).dicts())
        added: dict[tuple[date, UUID, UUID], Counter[Any]] = {}
        before: dict[tuple[UUID, UUID], Counter[Any]] = defaultdict(Counter)
        for row in rows:
            key = (row.pop("day"), row.pop("user_id"), row.pop("template_id"))
            assert row.pop("org_id") == self.org_id
            counts = row.pop("score_totals")
            assert len(counts) == 101
            total = Counter(row) + Counter({s: n for s, n in enumerate(counts) if n})
            grain = key[1:]
            change = Counter(total)
            change.subtract(before[grain])
            before[grain] = total
            added[key] = Counter({name: n for name, n in change.items() if n})
        summed: dict[tuple[date, UUID, UUID], Counter[Any]] = defaultdict(Counter)
        for (day, user_id, template_id), change in added.items():
            if ALL not in (user_id, template_id):
                for key in product([day], [user_id, ALL], [template_id, ALL]):
                    summed[key].update(change)
        assert {key: dict(change) for key, change in summed.items() if change} == {
            key: dict(change) for key, change in added.items() if change
        }
        return {
            key: {name: change[name] for name in SUMS}
            | {"score_counts": {s: n for s, n in change.items() if isinstance(s, int)}}
            for key, change in added.items()
            if change and ALL not in key
        }

    def recount(self) -> dict[tuple[date, UUID, UUID], dict[str, Any]]:
        """What the rollup should be, counted from the sessions one by one."""
        with unit_of_work(self.scope):
            sessions = list(TrainingSession.select().where(TrainingSession.deleted_at.is_null()))
            grades = {grade.session_id: grade for grade in SessionGrade.select()}
        found: dict[Any, dict[str, Any]] = defaultdict(lambda: defaultdict(int))
        scores: dict[Any, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for session in sessions:
            day = session.created_at.astimezone(UTC).date()
            key = (day, session.user_id, session.template_id or NOBODY)
            row, grade = found[key], grades.get(session.id)
            row["sessions"] += session.status in ("completed", "not_gradable")
            row["not_gradable"] += session.status == "not_gradable"
            row["closed_won"] += session.closed is True
            row["duration_ms"] += round((session.duration_seconds or 0) * 1000)
            row["call_cost_microdollars"] += session.call_cost_microdollars or 0
            ratio = (session.metrics or {}).get("talk_ratio")
            row["talk_ratio_permille"] += round((ratio or 0) * 1000)
            row["talk_ratio_sessions"] += ratio is not None
            counts = session.status == "completed" and grade is not None
            row["graded"] += counts
            final = 0
            passed = False
            if counts and grade.override_score is not None:
                final = grade.override_score
                passed = final >= PASS_SCORE and not grade.blockers
            elif counts:
                final, passed = grade.score, grade.passed
            row["score_sum"] += final
            row["passed"] += passed
            if counts:
                scores[key][final] += 1
        return {
            key: {**row, "score_counts": dict(scores[key])}
            for key, row in found.items()
            if any(row.values())
        }
