"""Grading: of sessions after their call, of transcripts on request, and by managers."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from clozone.accounts import audit
from clozone.grading import repository
from clozone.grading.evidence import UnreadableEvidence, response_format
from clozone.grading.notices import tell_graded, tell_reviewed
from clozone.grading.reading import Answer, Messages, Reading, read_call
from clozone.grading.schemas import NewReview, TranscriptToGrade
from clozone.jobs.enqueue import enqueue
from clozone.jobs.kinds import RunningJob
from clozone.kit.clock import now
from clozone.kit.errors import Conflict, Forbidden, NotFound, Permanent, Postponed
from clozone.llm.errors import BudgetExhausted, ModelBusy, UnusableAnswer
from clozone.llm.request import LlmRequest
from clozone.models.operations import Job
from clozone.models.training import TrainingSession
from clozone.sessions.gradability import why_not_gradable
from clozone.sessions.metrics import measure
from clozone.sessions.rollup import changing
from clozone.sessions.transcript import Turn, Utterance, clean
from clozone.sessions.transcript_text import from_text
from clozone.training.rubric import Rubric
from clozone.web.identity import Actor, Role

if TYPE_CHECKING:  # it brings the model's client, which the web process never uses
    from clozone.llm.meter import Meter

NO_RUBRIC = "no_rubric"
RENDER_SCORECARD = "exports.render_scorecard"
GRADE_TRANSCRIPT = "grading.grade_transcript"
LOOK_FOR_BUDGET_SECONDS = 3_600.0
LONGEST_MODEL_WAIT_SECONDS = 60.0
MOST_WAITS = 35


class Reader:
    """Reads calls with the metered model, for a job."""

    def __init__(self, meter: "Meter") -> None:
        self._meter = meter

    def read(
        self, job: RunningJob, org_id: UUID, rubric: Rubric, scenario: str, turns: tuple[Turn, ...]
    ) -> Reading:
        """The call, read and scored. To be called outside any unit of work.

        Raises Retryable, Permanent or Postponed, as the ledger understands them, and
        BudgetExhausted: what that means depends on whether somebody waits.
        """
        asked: list[LlmRequest] = []

        def ask(messages: Messages) -> Answer:
            request = LlmRequest(
                org_id=org_id,
                purpose="evidence",
                messages=messages,
                response_format=response_format(),
                session_id=job.subject_id if job.kind == "grading.grade_session" else None,
                job_id=job.id,
            )
            asked.append(request)
            job.checkpoint()
            answer = self._meter.complete(request)
            job.tell_progress(len(asked), note="parts of the call read")
            return Answer(answer.content, answer.model, answer.call_id)

        try:
            return read_call(rubric, scenario, turns, ask, self._meter.max_input_tokens)
        except UnreadableEvidence as error:
            # Kept, it would be read again and again instead of asking the model anew.
            self._meter.forget(asked[-1])
            raise UnusableAnswer("not_evidence", str(error)) from error


def waiting_for_model(error: ModelBusy, attempt: int) -> Exception:
    """What a job does whose model is away or asks for patience: it waits, for half an hour in all.

    That is no failure of the call's. Other trouble, and a longer absence, counts as one.
    """
    if error.code not in ("unreachable", "rate_limit") or attempt > MOST_WAITS:
        return error
    wait = min(2.0**attempt, LONGEST_MODEL_WAIT_SECONDS)
    return Postponed(str(error), after=max(wait, error.after or 0))


def waiting_for_budget(error: BudgetExhausted) -> Postponed:
    """What a job does that nobody waits for: it waits itself, and looks again every hour.

    An administrator may raise the cap before the window ends.
    """
    left = (error.resets_at - now()).total_seconds()
    return Postponed(error.detail, after=min(max(left, 1.0), LOOK_FOR_BUDGET_SECONDS))


def record_grade(session_id: UUID, reading: Reading) -> None:
    """Give the session its grade; the rollup and the scorecard follow. Does nothing if it has one.

    Raises NotFound for a session deleted meanwhile.
    """
    with changing(session_id) as session:
        if session.status != "processing":
            return
        repository.insert_grade(session, reading)
        _note_target(session, reading.scored.score, blocked=bool(reading.scored.blockers))
        session.status = "completed"
        enqueue(RENDER_SCORECARD, {"session_id": str(session_id)}, subject_id=session_id)
        tell_graded(session, reading.scored)


def _note_target(session: TrainingSession, final_score: int, *, blocked: bool) -> None:
    """Complete the session's assignment if this score does it; what is completed stays so.

    Without a target, being graded is enough. A broken rule spoils the score that a target asks for.
    """
    reached = -1 if blocked else final_score
    repository.complete_assignment(session, reached, now())


def cannot_grade(session_id: UUID, reason: str) -> None:
    """Say that the session gets no grade, and why. Raises NotFound for a deleted session."""
    with changing(session_id) as session:
        if session.status == "processing":
            session.status = "not_gradable"
            session.not_gradable_reason = reason


def request_transcript_grade(actor: Actor, body: TranscriptToGrade) -> UUID:
    """Put the grading of a transcript into the ledger; the job's id. Raises NotFound."""
    rubric, scenario = body.rubric, ""
    if body.template_id is not None:
        template = repository.template_by_id(body.template_id)
        if template is None:
            raise NotFound("There is no such template.")
        rubric, scenario = repository.rubric_by_id(template.rubric_id), template.scenario
    if rubric is None:
        raise NotFound("The template has no rubric.")
    return enqueue(
        GRADE_TRANSCRIPT,
        {
            "user_id": str(actor.user_id) if actor.user_id else None,
            "rubric": rubric.model_dump(mode="json"),
            "scenario": scenario,
            "turns": [asdict(turn) for turn in _turns(body)],
        },
    )


def _turns(body: TranscriptToGrade) -> list[Turn]:
    if isinstance(body.transcript, str):
        return clean(from_text(body.transcript))
    return clean(Utterance(t.speaker, t.text, t.start, t.end) for t in body.transcript)


def grade_transcript(job: RunningJob, reader: Reader) -> dict[str, Any]:
    """What came of a transcript that was to be graded: a grade, or the reason why there is none.

    `status` is `completed`, `not_gradable` or, when a budget is used up, `refused`.
    """
    if "turns" not in job.payload:
        raise Permanent("the transcript is not kept once its job has ended: send it again")
    turns = repository.turns_from(job.payload["turns"])
    metrics = measure(turns, None).to_json()
    reason = why_not_gradable(turns, None, None)
    if reason is not None:
        return {
            "status": "not_gradable",
            "not_gradable_reason": reason.value,
            "detail": reason.sentence,
            "metrics": metrics,
        }
    if job.org_id is None:
        raise ValueError("a transcript is graded for an organisation")
    rubric = Rubric.model_validate(job.payload["rubric"])
    try:
        reading = reader.read(job, job.org_id, rubric, job.payload["scenario"], turns)
    except BudgetExhausted as error:
        # Somebody waits for this: an answer now is worth more than a grade tomorrow.
        return {"status": "refused", "code": error.code, "detail": error.detail, **error.fields}
    return {"status": "completed", "metrics": metrics, "grade": grade_json(reading)}


def grade_json(reading: Reading) -> dict[str, Any]:
    """A grade as the API shows it."""
    evidence = reading.evidence.model_dump(mode="json")
    shown = ("summary", "strengths", "next_steps", "better_lines", "language")
    return {
        "score": reading.scored.score,
        "passed": reading.scored.passed,
        "pass_score": reading.scored.pass_score,
        "blockers": reading.scored.blockers_json(),
        "criteria": reading.scored.criteria_json(),
        "model": reading.model,
        "prompt_version": reading.prompt_version,
        **{name: evidence[name] for name in shown},
    }


def review(actor: Actor, session_id: UUID, body: NewReview) -> Mapping[str, Any]:
    """Add a manager's word; with `override_score` given, that replaces the score from now on.

    Raises NotFound, and Conflict for an override of a score that there is not.
    """
    if actor.user_id is None:
        raise Forbidden("A review needs a person: this API key stands for none.")
    overrides = "override_score" in body.model_fields_set
    with changing(session_id) as session:
        grade = repository.grade_of(session_id)
        if grade is None and body.override_score is not None:
            raise Conflict("This session has no grade to override. A comment alone is possible.")
        before = grade.override_score if grade else None
        written = repository.insert_review(
            session_id, actor.user_id, body.comment, body.override_score
        )
        if grade is not None and overrides:
            repository.set_override(grade, body.override_score, now())
            final = grade.score if body.override_score is None else body.override_score
            _note_target(session, final, blocked=bool(grade.blockers))
        audit.record(
            actor,
            "session.reviewed",
            "session",
            session_id,
            {"override_before": before, "override": body.override_score} if overrides else {},
        )
        if grade is not None:
            enqueue(RENDER_SCORECARD, {"session_id": str(session_id)}, subject_id=session_id)
        tell_reviewed(session, written)
    override = body.override_score if overrides else before
    ai_score = grade.score if grade else None
    return {
        "id": written.id,
        "session_id": session_id,
        "reviewer_id": actor.user_id,
        "comment": body.comment,
        "override_score": override,
        "ai_score": ai_score,
        "score": ai_score if override is None else override,
        "created_at": written.created_at,
    }


def job_status(actor: Actor, job_id: UUID) -> Mapping[str, Any]:
    """How a job gets on. Reps see those they asked for and those of their sessions.

    Raises NotFound.
    """
    manages = actor.role.at_least(Role.manager)
    if not manages and actor.user_id is None:
        raise NotFound("There is no such job.")
    job = repository.visible_job(job_id, None if manages else actor.user_id)
    if job is None:
        raise NotFound("There is no such job.")
    return _shown(job, with_error=manages)


def _shown(job: Job, *, with_error: bool) -> Mapping[str, Any]:
    names = (
        "id",
        "kind",
        "state",
        "attempt",
        "failures",
        "run_at",
        "created_at",
        "started_at",
        "finished_at",
        "progress",
        "result",
    )
    shown = {name: getattr(job, name) for name in names}
    return shown | {"last_error": job.last_error if with_error else None}
