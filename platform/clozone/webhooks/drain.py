"""Emptying the spool into the inbox, in the order of arrival, once PostgreSQL is back."""

import asyncio
import threading
import time
from contextlib import suppress

from loguru import logger
from peewee import IntegrityError, OperationalError, PeeweeException
from playhouse.pool import MaxConnectionsExceeded

from clozone.infra.postgres import waited_in_vain
from clozone.infra.spool import Spool
from clozone.infra.spool_file import ReceivedRequest
from clozone.kit.context import request_id
from clozone.web.offload import offload_plain, on_database_thread
from clozone.webhooks import inbox
from clozone.webhooks.envelope import read_envelope
from clozone.webhooks.intake import AWAY, REFUSED
from clozone.webhooks.outage import Outage
from clozone.webhooks.reasons import reason_of

LOOK_SECONDS = 1.0
# How long one turn keeps its database thread from the requests.
TURN_SECONDS = 0.5


class Drain:
    """The background task of one web process. However many processes have one, one drains at a time."""

    def __init__(self, spool: Spool, outage: Outage) -> None:
        self._spool = spool
        self._outage = outage
        self._stop = threading.Event()
        self._left: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look into the spool every LOOK_SECONDS from now on."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop after the delivery at hand."""
        self._stop.set()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        pause = LOOK_SECONDS
        while not self._stop.is_set():
            await asyncio.sleep(pause)
            pause = 0.0 if await self._turn() else LOOK_SECONDS

    async def _turn(self) -> bool:
        """Drain for a while; whether there is more to do at once."""
        try:
            if not await offload_plain(self._spool.waiting):
                return False
            stored, left = await on_database_thread(
                drain, self._spool, self._stop, left_before=self._left
            )
        except AWAY as error:
            self._outage.begins(error)
            return False
        except Exception as error:
            logger.opt(exception=error).error("the spool could not be drained")
            return False
        if stored:
            self._outage.ends()
            logger.bind(webhooks=stored, left=left).info("spooled webhooks stored")
        return bool(stored and left)


def drain(
    spool: Spool,
    stop: threading.Event,
    seconds: float = TURN_SECONDS,
    left_before: set[str] | None = None,
) -> tuple[int, int]:
    """Store what waits, the oldest first, for `seconds`; how many were stored, and are left.

    A file goes only after its transaction has committed: whoever dies in between leaves a delivery
    that is known by its id when it comes again. What cannot be stored for its own sake is set
    aside. What can be neither at the moment is left, and its name noted in `left_before`, so that
    it comes last the next time. Raises what says that PostgreSQL is away. Does nothing while
    another process drains.
    """
    until = time.monotonic() + seconds
    left = set() if left_before is None else left_before
    stored = 0
    with spool.alone() as alone:
        waiting = sorted(spool.waiting(), key=left.__contains__) if alone else []
        if alone and (removed := spool.remove_unfinished()):
            logger.bind(files=removed).warning("unfinished files were removed from the spool")
        for place, name in enumerate(waiting):
            if stop.is_set() or time.monotonic() > until:
                return stored, len(waiting) - place
            try:
                stored += _drain_one(spool, name)
            except _Left as hindered:
                if name not in left:
                    logger.bind(file=name, reason=str(hindered)).error(
                        "a spooled webhook is left for now"
                    )
                left.add(name)
            else:
                left.discard(name)
        if alone:
            left.intersection_update(waiting)
    return stored, len(left)


class _Left(Exception):
    """A delivery that can neither be stored nor set aside now; the others can."""


def _drain_one(spool: Spool, name: str) -> bool:
    """Whether the delivery is in the inbox now. Raises _Left."""
    try:
        _store(spool.read(name))
    except FileNotFoundError:  # an operator took it
        return False
    except REFUSED as error:
        _set_aside(spool, name, error)
        return False
    except OperationalError as error:
        if waited_in_vain(error):
            raise _Left(reason_of(error)) from error
        raise
    except (PeeweeException, MaxConnectionsExceeded):
        raise
    except Exception as error:
        _set_aside(spool, name, error)
        return False
    spool.remove(name)
    return True


def _store(request: ReceivedRequest) -> None:
    token = request_id.set(request.request_id)
    try:
        envelope = read_envelope(request.body)
        try:
            inbox.store(request, envelope)
        except IntegrityError:
            # An attempt that was given up as too slow may have committed at this very moment; the
            # second look finds its row.
            inbox.store(request, envelope)
    finally:
        request_id.reset(token)


def _set_aside(spool: Spool, name: str, error: Exception) -> None:
    reason = reason_of(error)
    try:
        spool.set_aside(name, reason)
    except OSError as failure:
        raise _Left(f"{reason}; setting it aside: {reason_of(failure)}") from failure
    logger.bind(file=name, reason=reason).error("a spooled webhook was set aside")
