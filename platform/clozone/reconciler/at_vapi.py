"""The part of a run that asks Vapi: its list of calls, and calls by name that the list left out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.models.training import TrainingSession
from clozone.reconciler import calls
from clozone.reconciler.findings import Finding, Kind
from clozone.reconciler.mending import PASSING, Mending
from clozone.reconciler.vapi_api import Call, VapiApi
from clozone.sessions.lifecycle import was_given_up

# A session whose call stands still for so long is asked for by name.
QUIET = timedelta(minutes=15)
MOST_ASKED_BY_NAME = 200
# Past so many a run asks for no more of them.
MOST_FAILURES = 3


class AtVapi:
    """Compares Vapi's calls with ours. `seen` are the ids of those that the list told of."""

    def __init__(self, vapi: VapiApi, mending: Mending, *, with_recordings: bool) -> None:
        self._vapi = vapi
        self._mending = mending
        self._account = mending.account
        self._with_recordings = with_recordings
        self.seen: set[str] = set()

    def compare_list(self, since: datetime) -> bool:
        """Look at every call that changed since; whether that need not be done again."""
        self._mending.must_return = False
        read_to_its_end = False
        with self._mending.attempting():
            for page in self._vapi.calls(since):
                self._mending.checkpoint()
                self.seen.update(call["id"] for call in page)
                self._account.checked["calls"] += len(page)
                self._mending.mend(self._amiss(page), self._vapi)
            read_to_its_end = True
        return read_to_its_end and not self._mending.must_return

    def _amiss(self, page: Sequence[Call]) -> list[Finding]:
        try:
            return self._compare(page, with_recordings=self._with_recordings)
        except PASSING:
            raise
        except Exception:
            # One of them cannot be read: then each for itself.
            found = []
            for call in page:
                with self._mending.attempting(f"call={call['id']}"):
                    found += self._compare([call], with_recordings=self._with_recordings)
            return found

    @staticmethod
    def _compare(page: Sequence[Call], *, with_recordings: bool) -> list[Finding]:
        with unit_of_work(Scope.platform()):
            return list(calls.compare(page, with_recordings=with_recordings))

    def ask_by_name(self, behind: UUID | None, patience: timedelta) -> UUID | None:
        """Ask for calls that the list did not tell of, of sessions that wait for their end.

        Those come in turn, `behind` where the last run ended; the one at which this run ended. A
        session that is older than `patience` and whose call Vapi does not know is given up, and
        its call asked for as long again.
        """
        with unit_of_work(Scope.platform()):
            waiting = calls.unsettled(
                behind,
                unchanged_since=now() - QUIET,
                given_up_since=now() - patience,
                limit=MOST_ASKED_BY_NAME,
            )
        errors_before = len(self._account.errors)
        for session in waiting:
            self._mending.checkpoint()
            behind = session.id
            if session.vapi_call_id not in self.seen:
                with self._mending.attempting(f"call={session.vapi_call_id}"):
                    self._ask(session, patience)
            if len(self._account.errors) - errors_before >= MOST_FAILURES:
                break
        return behind

    def _ask(self, session: TrainingSession, patience: timedelta) -> None:
        call_id = str(session.vapi_call_id)
        self._account.checked["calls"] += 1
        call = self._vapi.call(call_id)
        if call is not None:
            self._mending.mend(self._compare([call], with_recordings=False), self._vapi)
        elif session.created_at < now() - patience and not was_given_up(session):
            self._mending.mend([Finding(Kind.call_unknown, session.id, call_id)], self._vapi)
