"""Where a session's recording can be had, and fetching it from the first place that has it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit
from uuid import UUID

from loguru import logger

from clozone.infra.outbound import Outbound, OutboundRefused
from clozone.kit.clock import now
from clozone.recordings.download import RecordingGone, RecordingRefused, Source, download
from clozone.recordings.hosts import is_allowed
from clozone.recordings.partial import Partial, open_partial, sweep
from clozone.settings import Settings

# Closer to its end an address is not worth asking.
LEAST_LEFT = timedelta(seconds=5)
# Mono is what the address in the report names too.
_OF_CALL = ("mono-recording", "stereo-recording")

EXPIRED = "expired"
GONE = "gone"


@dataclass(frozen=True, slots=True)
class Order:
    """A recording to fetch: of which session, and what is known of where it is."""

    org_id: UUID
    session_id: UUID
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

    def partial(self, session_id: UUID) -> AbstractContextManager[Partial]:
        """The file of a session's recording, for one attempt."""
        sweep(self._folder)
        return open_partial(self._folder, session_id)

    def fetch(self, order: Order, partial: Partial) -> str:
        """Fetch the whole recording; its media type.

        Raises RecordingRefused when none can be had, for good; anything else may pass.
        """
        refusal: RecordingRefused | None = None
        for source in self._sources(order):
            try:
                return download(self._outbound, source, partial, self._settings.recording_max_bytes)
            except RecordingGone as error:
                told = str(error)
            except OutboundRefused as error:
                told = str(error)
                if error.code == "too_large":
                    raise RecordingRefused(error.code, told) from error
                refusal = refusal or RecordingRefused(error.code, told)
            logger.bind(session_id=str(order.session_id), reason=told).info(
                "no recording at this address"
            )
        raise refusal or self._none_left(order)

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
                yield Source(url, self._may_ask_with_key, secret)

    def _may_ask(self, host: str) -> bool:
        return is_allowed(host, self._settings.recording_hosts)

    def _may_ask_with_key(self, host: str) -> bool:
        return host == urlsplit(self._settings.vapi_base_url).hostname or self._may_ask(host)

    def _none_left(self, order: Order) -> RecordingRefused:
        if self._settings.vapi_api_key is None:
            return RecordingRefused(
                EXPIRED, "its address works no more; with VAPI_API_KEY it can be fetched anew"
            )
        return RecordingRefused(GONE, "neither its address nor Vapi has it any more")


_fetcher: Fetcher | None = None


def init_recordings(settings: Settings) -> None:
    """Set up fetching in this process. Connects to nothing."""
    global _fetcher  # noqa: PLW0603 - one per process, like the object storage
    _fetcher = Fetcher(settings, Outbound(settings))


def fetcher() -> Fetcher:
    """The fetcher of this process."""
    if _fetcher is None:
        raise RuntimeError("init_recordings(settings) comes first")
    return _fetcher
