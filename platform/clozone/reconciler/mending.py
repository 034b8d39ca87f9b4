"""Mending what is found, so that nothing that fails ends a run or stands in another's way."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from peewee import InterfaceError, OperationalError
from playhouse.pool import MaxConnectionsExceeded

from clozone.kit.errors import Retryable, Unavailable
from clozone.reconciler.findings import Account, Finding, plain
from clozone.reconciler.healing import heal
from clozone.reconciler.vapi_api import VapiApi, VapiFailed

# What failed so may succeed in the next run, which has to look again. The rest fails each time.
PASSING = (
    VapiFailed,
    OperationalError,
    InterfaceError,
    MaxConnectionsExceeded,
    Retryable,
    Unavailable,
    OSError,
)
MOST_ERRORS = 200
_LONGEST_ERROR = 500


class Mending:
    """Mends findings and keeps the account of it.

    `checkpoint` is called between one thing and the next; what it raises ends the run. `must_return`
    says whether something failed in a way that may pass.
    """

    def __init__(self, account: Account, checkpoint: Callable[[], None]) -> None:
        self.account = account
        self._checkpoint = checkpoint
        self._stop: Exception | None = None
        self.must_return = False

    def checkpoint(self) -> None:
        """A place at which the run may be told to stop, by an exception."""
        try:
            self._checkpoint()
        except Exception as stop:
            self._stop = stop
            raise

    @contextmanager
    def attempting(self, what: object = "") -> Iterator[None]:
        """Let what fails inside become an error of the account."""
        try:
            yield
        except Exception as error:
            if error is self._stop:
                raise
            self.must_return = self.must_return or isinstance(error, PASSING)
            if len(self.account.errors) < MOST_ERRORS:
                # Further lines of a database's error quote data.
                told = str(error).partition("\n")[0] or type(error).__name__
                line = f"{what}: {told}" if what else told
                self.account.errors.append(plain(line)[:_LONGEST_ERROR])

    def mend(self, found: Iterable[Finding], vapi: VapiApi | None) -> None:
        """Mend each finding, unless the run is a dry one."""
        for finding in found:
            self.checkpoint()
            self.account.findings.append(finding)
            if self.account.dry_run:
                continue
            with self.attempting(finding):
                if heal(finding, vapi):
                    self.account.healed.append(finding)
