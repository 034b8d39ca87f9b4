"""The end of a try: recorded in the ledger, and told to whoever waits for the job."""

import time
from collections.abc import Callable

from loguru import logger

from clozone.infra.postgres import after_commit, database, unit_of_work
from clozone.jobs import ledger
from clozone.jobs.delivery import delivery
from clozone.jobs.failures import brief
from clozone.jobs.kinds import State, after_death_of
from clozone.jobs.running import Running

CANCELLED = "cancelled while it ran"
# Whoever is told may find a lock taken. After these waits the job ends without having told him.
TELL_AGAIN_SECONDS = (0.5, 2.0)

Move = Callable[[], State | None]


def end(job: Running, move: Move, reason: str = CANCELLED) -> State | None:
    """End a try by `move`, and tell who waits for the job if it has ended for good, in one go.

    The state that the job is in now; None if the attempt was not the current one, or nothing could
    be recorded: then its lease runs out, and the sweeper puts it back.
    """
    for pause in (*TELL_AGAIN_SECONDS, None):
        try:
            with unit_of_work(job.scope):
                state = move()
                _tell(job, state, reason)
        except Exception as error:
            logger.bind(error=brief(error)).warning("the end of a try could not be told")
            if pause is not None:
                time.sleep(pause)
        else:
            return _ended(state)
    try:
        with unit_of_work(job.scope):
            state = move()
    except Exception as error:
        logger.bind(error=brief(error)).error("the end of a try could not be recorded")
        return None
    logger.error("a job ended, and who waits for it could not be told")
    return _ended(state)


def hand_back(job: Running) -> bool:
    """Put a job back whose worker is about to end; whether it will run again.

    One that is being finished at this moment is left to that.
    """

    def move() -> State | None:
        database.execute_sql("SET LOCAL lock_timeout = '1s'")
        state = ledger.hand_back(job.claim)
        if state is State.queued:
            after_commit(lambda: delivery().ring(job.claim.queue, job.id))
        return state

    return end(job, move) is State.queued


def _tell(job: Running, state: State | None, reason: str) -> None:
    mourn = after_death_of(job.kind)
    if state in (State.dead, State.cancelled) and mourn is not None:
        mourn(job, reason)


def _ended(state: State | None) -> State | None:
    if state is State.cancelled:
        logger.info("job cancelled")
    return state
