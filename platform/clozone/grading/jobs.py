"""Jobs of grading."""

from contextlib import suppress
from uuid import UUID

from clozone.grading import repository, service
from clozone.infra.postgres import after_commit, unit_of_work
from clozone.infra.progress import publish
from clozone.jobs.kinds import RunningJob, job
from clozone.kit.errors import Conflict, NotFound
from clozone.llm.errors import BudgetExhausted, ModelBusy
from clozone.llm.meter import meter
from clozone.sessions import lifecycle


@job("grading.grade_session", after_death=lifecycle.fail, before_revival=lifecycle.reopen)
def grade_session(job: RunningJob) -> None:
    """Read a session's call with the model, outside any transaction, and give it its grade."""
    with unit_of_work():
        call = repository.call_to_grade(UUID(job.payload["session_id"]))
    if call is None:
        return
    if call.rubric is None:
        with job.completing(), suppress(NotFound):
            service.cannot_grade(call.session_id, service.NO_RUBRIC)
        return
    try:
        reader = service.Reader(meter())
        reading = reader.read(job, call.org_id, call.rubric, call.scenario, call.turns)
    except BudgetExhausted as error:
        raise service.waiting_for_budget(error) from error
    except ModelBusy as error:
        raise service.waiting_for_model(error, job.attempt) from error
    # Deleted while it was read: there is nothing left to grade.
    with job.completing(), suppress(NotFound):
        service.record_grade(call.session_id, reading)


def _end(job: RunningJob, _reason: str) -> None:
    repository.forget_transcript(job.id)
    after_commit(lambda: publish(job.id))


def _no_way_back(_job: RunningJob) -> None:
    raise Conflict("The transcript was forgotten when this job ended. Send it in again.")


@job(service.GRADE_TRANSCRIPT, after_death=_end, before_revival=_no_way_back)
def grade_transcript(job: RunningJob) -> None:
    """Grade a transcript that somebody sent in, and keep the result with the job.

    The transcript itself is gone from the ledger when the job ends, well or not.
    """
    result = service.grade_transcript(job, service.Reader(meter()))
    with job.completing():
        job.result = result
        repository.forget_transcript(job.id)
        after_commit(lambda: publish(job.id))
