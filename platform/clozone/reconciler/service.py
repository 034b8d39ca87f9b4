"""One run of the reconciler: look, mend, and write down what was found."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from uuid import UUID

from loguru import logger
from peewee import fn

from clozone.infra.object_storage import object_storage
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.reconciliation import Reconciliation
from clozone.reconciler import local
from clozone.reconciler.at_vapi import AtVapi
from clozone.reconciler.findings import Account
from clozone.reconciler.mending import Mending
from clozone.reconciler.vapi_api import VapiApi
from clozone.settings import Settings

RUN = "reconciler.run"

# Calls are looked at again for so long after a run: reports that were about to come, clocks.
OVERLAP = timedelta(minutes=15)
KEPT = timedelta(days=30)


class Run:
    """One run; `since` overrides how far back is looked, `dry_run` leaves everything as it is.

    `checkpoint` is called between one thing and the next; what it raises ends the run.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        since: datetime | None = None,
        dry_run: bool = False,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._given = since
        self._started_at = now()
        key = settings.vapi_api_key
        self._key = key.get_secret_value() if key else ""
        lookback = timedelta(hours=settings.reconcile_lookback_hours)
        self.account = Account(
            since=since or self._started_at - lookback,
            dry_run=dry_run,
            with_vapi=bool(self._key),
        )
        self._mending = Mending(self.account, checkpoint)

    def run(self) -> Account:
        """Look at everything, mend what can be mended; the account, which is kept in the database.

        What cannot be asked or mended is an error of the account, and the rest goes on.
        """
        run_id = self._begin()
        with VapiApi(self._settings, self._key) if self._key else nullcontext() as vapi:
            if vapi is not None:
                self._compare_calls(vapi)
            with self._mending.attempting():
                with unit_of_work(Scope.platform()):
                    stalled = list(local.stalled(self.account.since))
                self._mending.mend(stalled, vapi)
            with self._mending.attempting():
                self._compare_objects()
        self._finish(run_id)
        return self.account

    def _begin(self) -> UUID:
        run_id = new_id()
        with unit_of_work(Scope.platform()):
            Reconciliation.insert(
                id=run_id,
                started_at=self._started_at,
                since=self.account.since,
                dry_run=self.account.dry_run,
            ).execute()
        return run_id

    def _compare_calls(self, vapi: VapiApi) -> None:
        with_recordings = self._settings.recordings == "store"
        at_vapi = AtVapi(vapi, self._mending, with_recordings=with_recordings)
        with self._mending.attempting():
            self.account.calls_read = at_vapi.compare_list(self._calls_since())
        with self._mending.attempting():
            patience = timedelta(hours=self._settings.reconcile_lookback_hours)
            self.account.asked_until = at_vapi.ask_by_name(self._asked_until(), patience)

    def _calls_since(self) -> datetime:
        """From where the last run that read the whole list began, however long ago that is."""
        if self._given is not None:
            return self._given
        with unit_of_work(Scope.platform()):
            seen_until = Reconciliation.select(fn.max(Reconciliation.calls_seen_until)).scalar()
        return self.account.since if seen_until is None else seen_until - OVERLAP

    def _asked_until(self) -> UUID | None:
        with unit_of_work(Scope.platform()):
            last: UUID | None = (
                Reconciliation.select(Reconciliation.asked_until)
                .where(Reconciliation.asked_until.is_null(False))
                .order_by(Reconciliation.started_at.desc())
                .limit(1)
                .scalar()
            )
        return last

    def _compare_objects(self) -> None:
        since = self.account.since
        with unit_of_work(Scope.platform()):
            scorecards = local.scorecards(since)
            recordings = (
                local.recordings(since, with_key=bool(self._key))
                if self._settings.recordings == "store"
                else []
            )
        self.account.checked["scorecards"] += len(scorecards)
        self.account.checked["recordings"] += len(recordings)
        suspects = [*scorecards, *recordings]
        self._mending.mend([s.finding for s in suspects if s.object_key is None], None)
        lost = []
        with self._mending.attempting():
            lost = [s.finding for s in suspects if s.object_key and _is_lost(s.object_key)]
        self._mending.mend(lost, None)

    def _finish(self, run_id: UUID) -> None:
        seen_until = self._started_at if self.account.calls_read else None
        counts = self.account.counts()
        with unit_of_work(Scope.platform()):
            Reconciliation.update(
                finished_at=now(),
                # A run that healed nothing or looked at less leaves the work to the next.
                calls_seen_until=None if self._given or self.account.dry_run else seen_until,
                asked_until=None if self.account.dry_run else self.account.asked_until,
                **counts,
            ).where(Reconciliation.id == run_id).execute()
            Reconciliation.delete().where(Reconciliation.started_at < now() - KEPT).execute()
        log = logger.bind(**counts, dry_run=self.account.dry_run, with_vapi=self.account.with_vapi)
        (log.warning if self.account.errors or self.account.findings else log.info)("reconciled")


def _is_lost(object_key: str) -> bool:
    return not object_storage().exists(object_key)


_settings: Settings | None = None


def init_reconciler(settings: Settings) -> None:
    """Set up the reconciler of this process. Connects to nothing."""
    global _settings  # noqa: PLW0603 - one per process, like the object storage
    _settings = settings


def reconciler_settings() -> Settings:
    """What the recurring job runs by."""
    if _settings is None:
        raise RuntimeError("init_reconciler(settings) comes first")
    return _settings
