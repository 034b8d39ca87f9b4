"""Composition root of the scheduler process."""

from loguru import logger

from clozone.infra.logging import configure_logging
from clozone.infra.postgres import Scope, close_database, init_database, unit_of_work
from clozone.jobs.delivery import init_delivery
from clozone.jobs.recurring import enqueue_recurring
from clozone.jobs.schedule import Duty, Scheduler
from clozone.jobs.sweeper import Sweeper
from clozone.kit.clock import now
from clozone.llm import account_book
from clozone.process import announce_ready, heartbeat, stop_on_signals
from clozone.settings import Settings

# Retries and scheduled jobs wait for this, so it is also how exact their time is.
SWEEP_SECONDS = 0.5
RECURRING_SECONDS = 5.0
CLOSE_CALLS_SECONDS = 30.0


def run_scheduler(settings: Settings, ready_fd: int | None = None) -> None:
    """Do the recurring duties until SIGTERM or SIGINT; several may run, one works at a time.

    Writes a line to the descriptor `ready_fd`, if given, once it works or stands by.
    """
    configure_logging(settings, "scheduler")
    stop = stop_on_signals()
    init_database(settings, pool_size=2)
    init_delivery(settings)
    duties = [
        Duty("sweep", SWEEP_SECONDS, Sweeper(settings.job_lease_seconds).sweep),
        Duty("recurring jobs", RECURRING_SECONDS, lambda: enqueue_recurring(settings)),
        Duty("close abandoned model calls", CLOSE_CALLS_SECONDS, lambda: _close_calls(settings)),
    ]
    pulse = heartbeat(settings, "scheduler")
    logger.info("scheduler ready")
    announce_ready(ready_fd)
    Scheduler(duties, pulse).run(stop)
    close_database()
    logger.info("scheduler stopped")


def _close_calls(settings: Settings) -> None:
    oldest = now() - account_book.longest_open(settings.llm_timeout_seconds)
    with unit_of_work(Scope.platform()):
        closed = account_book.give_up_all_abandoned(oldest)
    if closed:
        logger.bind(calls=closed).warning("model calls that nobody will settle were closed")
