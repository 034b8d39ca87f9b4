"""Composition root of the worker process."""

import importlib
import os
import time

from loguru import logger

from clozone.infra.cache import init_cache
from clozone.infra.logging import configure_logging
from clozone.infra.object_storage import init_object_storage
from clozone.infra.postgres import close_database, init_database
from clozone.infra.progress import init_progress
from clozone.jobs.delivery import init_delivery
from clozone.jobs.kinds import Queue, without_handler
from clozone.jobs.leases import Leases
from clozone.jobs.runner import Runner
from clozone.llm.meter import init_meter
from clozone.notifications.sender import init_sender
from clozone.process import announce_ready, heartbeat, process_name, stop_on_signals
from clozone.reconciler.service import init_reconciler
from clozone.recordings.fetcher import fetcher, init_recordings
from clozone.settings import Settings

# Importing these attaches their handlers to the kinds.
HANDLERS = (
    "clozone.webhooks.jobs",
    "clozone.sessions.jobs",
    "clozone.grading.jobs",
    "clozone.exports.jobs",
    "clozone.recordings.jobs",
    "clozone.reconciler.jobs",
    "clozone.notifications.jobs",
    "clozone.jobs.archive",
)

HEARTBEAT_SECONDS = 3.0

# Whoever starts processes anew only after a failure has to see one.
TOLD_TO_STOP = 0
START_ANEW = os.EX_TEMPFAIL  # 75


def run_worker(settings: Settings, ready_fd: int | None = None) -> int:
    """Take jobs from every queue until SIGTERM or SIGINT, then finish or hand back what runs.

    It also ends, in the same order, when a handler hangs. Writes a line to the descriptor
    `ready_fd`, if given, once it takes jobs. Returns the exit code: TOLD_TO_STOP or START_ANEW.
    """
    configure_logging(settings, "worker")
    stop = stop_on_signals()
    for module in HANDLERS:
        importlib.import_module(module)
    for kind in without_handler():
        logger.bind(kind=kind).error("no handler for this kind of job")
    threads = {
        Queue.interactive: settings.worker_threads_interactive,
        Queue.llm: settings.worker_threads_llm,
        Queue.outgoing: settings.worker_threads_outgoing,
        Queue.bulk: settings.worker_threads_bulk,
    }
    init_database(settings, pool_size=sum(threads.values()) + 2)
    init_cache(settings)
    init_progress(settings)
    init_object_storage(settings)
    init_meter(settings)
    init_recordings(settings)
    init_reconciler(settings)
    init_sender(settings)
    leases = Leases(process_name(settings), settings.job_lease_seconds)
    runner = Runner(settings, leases)
    leases.start(runner.time_out)
    consumers = init_delivery(settings).consumers(threads, runner.drain)
    for consumer in consumers:
        consumer.start_threads()
    pulse = heartbeat(settings, "worker")
    logger.bind(threads=sum(threads.values())).info("worker ready")
    announce_ready(ready_fd)
    exit_code = TOLD_TO_STOP
    while not stop.wait(HEARTBEAT_SECONDS):
        pulse()
        fetcher().sweep()
        for consumer in consumers:
            consumer.replace_dead_threads()
        if stuck := leases.stuck():
            kinds = sorted({job.kind for job in stuck})
            logger.bind(jobs=len(stuck), kinds=kinds).error("jobs hang, the worker starts anew")
            exit_code = START_ANEW
            break
    logger.info("worker stopping")
    runner.stop()
    for consumer in consumers:
        consumer.stop_taking()
    # Not until no thread runs is it certain that nobody is about to claim what he has taken.
    deadline = time.monotonic() + settings.shutdown_grace_seconds
    for consumer in consumers:
        consumer.join(deadline)
    leases.hand_back()
    close_database()
    logger.info("worker stopped")
    return exit_code
