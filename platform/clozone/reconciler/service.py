"""One run of the reconciler: look, mend, and write down what was found."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import datetime, timedelta
from uuid import UUID

from loguru import logger
from peewee import PeeweeException, fn

from clozone.infra.object_storage import object_storage
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.errors import Permanent, Retryable
from clozone.kit.ids import new_id
from clozone.models.reconciliation import Reconciliation
from clozone.reconciler import calls, local
from clozone.reconciler.findings import Account, Finding, Kind
from clozone.reconciler.healing import heal
from clozone.reconciler.local import Suspect
from clozone.reconciler.vapi_api import VapiApi, VapiFailed
from clozone.settings import Settings

RUN = "reconciler.run"

# Calls are looked at again for so long after a run: reports that were about to come, clocks.
OVERLAP = timedelta(minutes=15)
# A session whose call stands still for so long is asked for by name.
QUIET = timedelta(minutes=15)
MOST_ASKED_BY_NAME = 200
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
        self._checkpoint = checkpoint
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

    def run(self) -> Account:
        """Look at everything, mend what can be mended; the account, which is kept in the database.

        What cannot be asked or mended is an error of the account, and the rest goes on.
        """
        run_id = self._begin()
        with VapiApi(self._settings, self._key) if self._key else nullcontext() as vapi:
            if vapi is not None:
                self._compare_calls(vapi)
            with unit_of_work(Scope.platform()):
                stalled = list(local.stalled(self.account.since))
            self._mend(stalled, vapi)
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
        began_with = len(self.account.errors)
        seen: set[str] = set()
        with_recordings = self._settings.recordings == "store"
        try:
            for page in vapi.calls(self._calls_since()):
                self._checkpoint()
                seen.update(call["id"] for call in page)
                self.account.checked["calls"] += len(page)
                with unit_of_work(Scope.platform()):
                    found = list(calls.compare(page, with_recordings=with_recordings))
                self._mend(found, vapi)
            self._ask_by_name(vapi, seen)
        except VapiFailed as error:
            self._note(error)
        # One that could not be mended must be seen again.
        self.account.calls_read = len(self.account.errors) == began_with

    def _calls_since(self) -> datetime:
        """From where the last run that read the whole list began, however long ago that is."""
        if self._given is not None:
            return self._given
        with unit_of_work(Scope.platform()):
            seen_until = Reconciliation.select(fn.max(Reconciliation.calls_seen_until)).scalar()
        return self.account.since if seen_until is None else seen_until - OVERLAP

    def _ask_by_name(self, vapi: VapiApi, seen: set[str]) -> None:
        """Sessions that wait for the end of a call which the list did not tell about."""
        with unit_of_work(Scope.platform()):
            waiting = calls.unsettled(now() - QUIET, MOST_ASKED_BY_NAME)
        patience = timedelta(hours=self._settings.reconcile_lookback_hours)
        for session_id, call_id, created_at in waiting:
            if call_id in seen:
                continue
            self._checkpoint()
            self.account.checked["calls"] += 1
            call = vapi.call(call_id)
            if call is not None:
                with unit_of_work(Scope.platform()):
                    found = list(calls.compare([call], with_recordings=False))
                self._mend(found, vapi)
            elif created_at < now() - patience:
                self._mend([Finding(Kind.call_unknown, session_id, call_id)], vapi)

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
        try:
            lost = [suspect.finding for suspect in (*scorecards, *recordings) if _is_lost(suspect)]
        except (Retryable, Permanent) as error:
            self._note(error)
            return
        self._mend(lost, None)

    def _mend(self, found: Iterable[Finding], vapi: VapiApi | None) -> None:
        for finding in found:
            self._checkpoint()
            self.account.findings.append(finding)
            if self.account.dry_run:
                continue
            try:
                if heal(finding, vapi):
                    self.account.healed.append(finding)
            except (VapiFailed, PeeweeException) as error:
                self._note(error, finding)

    def _note(self, error: Exception, finding: Finding | None = None) -> None:
        # Further lines of a database's error quote data.
        told = str(error).partition("\n")[0] or type(error).__name__
        self.account.errors.append(f"{finding}: {told}" if finding else told)

    def _finish(self, run_id: UUID) -> None:
        seen_until = self._started_at if self.account.calls_read else None
        counts = self.account.counts()
        with unit_of_work(Scope.platform()):
            Reconciliation.update(
                finished_at=now(),
                # A run that healed nothing or looked at less leaves the work to the next.
                calls_seen_until=None if self._given or self.account.dry_run else seen_until,
                **counts,
            ).where(Reconciliation.id == run_id).execute()
            Reconciliation.delete().where(Reconciliation.started_at < now() - KEPT).execute()
        log = logger.bind(**counts, dry_run=self.account.dry_run, with_vapi=self.account.with_vapi)
        (log.warning if self.account.errors or self.account.findings else log.info)("reconciled")


def _is_lost(suspect: Suspect) -> bool:
    return suspect.object_key is None or not object_storage().exists(suspect.object_key)


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
