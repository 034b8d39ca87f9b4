"""Composition root of the processes that work behind the web: worker and scheduler."""

import importlib
import os
import signal
import socket
import threading
from collections.abc import Callable

from loguru import logger

from clozone.infra.cache import init_cache
from clozone.infra.heartbeat import beat
from clozone.infra.logging import configure_logging
from clozone.infra.object_storage import init_object_storage
from clozone.infra.postgres import close_database, init_database
from clozone.infra.progress import init_progress
from clozone.infra.redis import sync_redis
from clozone.jobs.delivery import init_delivery
from clozone.jobs.kinds import Queue, without_handler
from clozone.jobs.leases import Leases
from clozone.jobs.runner import Runner
from clozone.jobs.schedule import Duty, Scheduler
from clozone.jobs.sweeper import sweep
from clozone.llm.meter import init_meter
from clozone.settings import Settings

# Importing these attaches their handlers to the kinds.
HANDLERS = (
    "clozone.webhooks.jobs",
    "clozone.sessions.jobs",
    "clozone.grading.jobs",
    "clozone.exports.jobs",
)

HEARTBEAT_SECONDS = 3.0
SWEEP_SECONDS = 1.0


def run_worker(settings: Settings) -> None:
    """Take jobs from every queue until SIGTERM or SIGINT, then finish or hand back what runs."""
    configure_logging(settings, "worker")
    for module in HANDLERS:
        importlib.import_module(module)
    for kind in without_handler():
        logger.bind(kind=kind).error("no handler for this kind of job")
    threads = {
        Queue.interactive: settings.worker_threads_interactive,
        Queue.llm: settings.worker_threads_llm,
        Queue.bulk: settings.worker_threads_bulk,
    }
    init_database(settings, pool_size=sum(threads.values()) + 2)
    init_cache(settings)
    init_progress(settings)
    init_object_storage(settings)
    init_meter(settings)
    leases = Leases(process_name(settings), settings.job_lease_seconds)
    leases.start()
    stop = stop_on_signals()
    consumers = init_delivery(settings).consumers(threads, Runner(settings, leases).run)
    for consumer in consumers:
        consumer.start_threads()
    logger.bind(threads=sum(threads.values())).info("worker ready")
    pulse = _pulse(settings, "worker")
    while not stop.wait(HEARTBEAT_SECONDS):
        pulse()
        for consumer in consumers:
            consumer.check_worker_health()
    logger.info("worker stopping")
    for consumer in consumers:
        consumer.stop_flag.set()
    leases.drain(settings.shutdown_grace_seconds)
    close_database()
    logger.info("worker stopped")


def run_scheduler(settings: Settings) -> None:
    """Do the recurring duties until SIGTERM or SIGINT; several may run, one works at a time."""
    configure_logging(settings, "scheduler")
    init_database(settings, pool_size=2)
    init_delivery(settings)
    duties = [Duty("sweep", SWEEP_SECONDS, lambda: sweep(settings.job_redeliver_seconds))]
    logger.info("scheduler ready")
    Scheduler(duties, _pulse(settings, "scheduler")).run(stop_on_signals())
    close_database()
    logger.info("scheduler stopped")


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; a second signal ends the process at once."""
    stop = threading.Event()

    def ask(_signum: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop


def process_name(settings: Settings) -> str:
    """A name no other process shares, for leases and heartbeats."""
    return f"{settings.clozone_instance}@{socket.gethostname()}:{os.getpid()}"


def _pulse(settings: Settings, kind: str) -> Callable[[], None]:
    client = sync_redis(settings.redis_url)
    name = process_name(settings)

    def pulse() -> None:
        try:
            beat(client, kind, name)
        except Exception as error:
            logger.bind(error=str(error)).warning("heartbeat not sent")

    pulse()
    return pulse
