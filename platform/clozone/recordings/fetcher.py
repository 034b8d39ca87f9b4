"""Where a session's recording can be had, and fetching it from the first place that has it."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit
from uuid import UUID

from loguru import logger

from clozone.infra.outbound import Allowed, Outbound, OutboundRefused
from clozone.kit.clock import now
from clozone.kit.errors import Retryable
from clozone.recordings.download import RecordingGone, RecordingRefused, Source, download
from clozone.recordings.hosts import is_allowed
from clozone.recordings.partial import Partial, discard, open_partial, sweep
from clozone.settings import Settings

SWEEP_EVERY_SECONDS = 600.0

# Closer to its end an address is not worth asking.
LEAST_LEFT = timedelta(seconds=5)
# A recording is put into storage some minutes after its call; until then it is not missing.
YOUNG = timedelta(minutes=30)
YOUNG_RETRY_SECONDS = 60.0
# Whoever sets the key right should not have to hurry.
KEY_RETRY_SECONDS = 600.0
# Mono is what the address in the report names too.
_OF_CALL = ("mono-recording", "stereo-recording")

EXPIRED = "expired"
GONE = "gone"


class KeyRefused(Retryable):
    """Vapi does not accept the operator's key."""


@dataclass(frozen=True, slots=True)
class Order:
    """A recording to fetch: of which session, when its call was, what is known of where it is."""

    org_id: UUID
    session_id: UUID
    called_at: datetime
    url: str | None
    expires_at: datetime | None
    call_id: str | None


class Fetcher:
    """Fetches recordings into files of this machine. Thread-safe."""

    def __init__(self, settings: Settings, outbound: Outbound) -> None:
        self.enabled = settings.recordings == "store"
        self._settings = settings
        self._outbound = outbound
        self._folder = settings.clozone_home / "recordings"

        self._sweep_at = 0.0

    def sweep(self) -> None:
        """Remove, now and then, what nobody goes on with. To be called often; never raises."""
        if time.monotonic() < self._sweep_at:
            return
        self._sweep_at = time.monotonic() + SWEEP_EVERY_SECONDS
        try:
            sweep(self._folder)
        except OSError as error:
            logger.bind(error=str(error)).warning("old parts of recordings could not be removed")

    def partial(self, session_id: UUID) -> AbstractContextManager[Partial]:
        """The file of a session's recording, for one attempt."""
        return open_partial(self._folder, session_id)

    def discard(self, session_id: UUID) -> None:
        """Remove what this machine has of a recording that nobody wants any more."""
        discard(self._folder, session_id)

    def fetch(self, order: Order, partial: Partial) -> str:
        """Fetch the whole recording; its media type.

        Raises RecordingRefused when none can be had, for good; anything else may pass, KeyRefused
        when the operator mends it.
        """
        refusal: RecordingRefused | None = None
        passing: Retryable | None = None
        for source in self._sources(order):
            try:
                return download(self._outbound, source, partial, self._settings.recording_max_bytes)
            except RecordingGone as gone:
                told = str(gone)
                passing = passing or _passing(gone, source, order)
            except OutboundRefused as error:
                told = str(error)
                if error.code == "too_large":
                    raise RecordingRefused(error.code, told) from error
                refusal = refusal or RecordingRefused(error.code, told)
            logger.bind(session_id=str(order.session_id), reason=told).info(
                "no recording at this address"
            )
        raise passing or refusal or self._none_left()

    def _sources(self, order: Order) -> Iterator[Source]:
        expired = order.expires_at is not None and order.expires_at < now() + LEAST_LEFT
        if order.url is not None and not expired:
            yield Source(order.url, self._may_ask)
        key = self._settings.vapi_api_key
        if key is not None and order.call_id is not None:
            base = self._settings.vapi_base_url.rstrip("/")
            secret = {"Authorization": f"Bearer {key.get_secret_value()}"}
            for kind in _OF_CALL:
                url = f"{base}/call/{quote(order.call_id, safe='')}/{kind}"
                yield Source(url, self._may_ask_with_key, secret, with_key=True)

    def _may_ask(self, host: str) -> bool:
        return is_allowed(host, self._settings.recording_hosts)

    def _may_ask_with_key(self, host: str) -> bool:
        return host == urlsplit(self._settings.vapi_base_url).hostname or self._may_ask(host)

    def _none_left(self) -> RecordingRefused:
        if self._settings.vapi_api_key is None:
            return RecordingRefused(
                EXPIRED, "its address works no more; with VAPI_API_KEY it can be fetched anew"
            )
        return RecordingRefused(GONE, "neither its address nor Vapi has it any more")


def _passing(gone: RecordingGone, source: Source, order: Order) -> Retryable | None:
    """Why the answer may be another one later, if it may."""
    if source.with_key and not gone.redirected and gone.status in (401, 403):
        return KeyRefused(
            f"Vapi refuses the key ({gone.status}): check VAPI_API_KEY, the private one",
            after=KEY_RETRY_SECONDS,
        )
    # It has not expired, or it would not have been asked.
    if gone.status == 400 and not source.with_key and order.expires_at is not None:
        return Retryable(str(gone))
    if gone.status in (400, 404) and order.called_at > now() - YOUNG:
        return Retryable(f"{gone}, and the call is young", after=YOUNG_RETRY_SECONDS)
    return None


_fetcher: Fetcher | None = None


def init_recordings(settings: Settings) -> None:
    """Set up fetching in this process. Connects to nothing."""
    global _fetcher  # noqa: PLW0603 - one per process, like the object storage
    allowed = Allowed(
        "RECORDING_ALLOWED_NETWORKS",
        settings.recording_allowed_networks,
        settings.recording_allow_http,
    )
    _fetcher = Fetcher(settings, Outbound(allowed))


def fetcher() -> Fetcher:
    """The fetcher of this process."""
    if _fetcher is None:
        raise RuntimeError("init_recordings(settings) comes first")
    return _fetcher
