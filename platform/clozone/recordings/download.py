"""Getting one recording from one address into its partial file."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from clozone.infra.outbound import Outbound, Stream
from clozone.infra.outbound_body import content_length
from clozone.kit.errors import Retryable
from clozone.kit.http import retry_after_seconds
from clozone.recordings.audio import SNIFFED_BYTES, may_be_audio, sniff
from clozone.recordings.partial import Beginning, Partial

MAX_REDIRECTS = 3
# Of one attempt; a slow source is gone on with by the next.
DOWNLOAD_SECONDS = 240.0

_OK, _PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 200, 206, 416
# Storage says so of an address whose time is up, and of one that needs a signature and has none;
# whoever asked knows whether it may be otherwise in a while.
_GONE = frozenset({400, 401, 403, 404, 410})
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class RecordingRefused(Exception):
    """What is there is no recording that we store; `code` says why in a word."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class RecordingGone(Exception):
    """There is no recording at this address, or not any more, or not yet.

    `redirected`: it was not the address itself that answered `status`, but where it led to.
    """

    def __init__(self, status: int, *, redirected: bool) -> None:
        super().__init__(f"the server answered {status}")
        self.status = status
        self.redirected = redirected


@dataclass(frozen=True, slots=True)
class Source:
    """An address to ask, with the headers it takes, and which hosts it may lead to.

    `with_key`: it is one of Vapi's API, asked with the operator's key.
    """

    url: str
    hosts: Callable[[str], bool]
    headers: Mapping[str, str] = field(default_factory=dict)
    with_key: bool = False

    @property
    def identity(self) -> str:
        """The address without query: signing it anew changes nothing about what it names."""
        return urlunsplit(urlsplit(self.url)._replace(query="", fragment=""))


def download(outbound: Outbound, source: Source, partial: Partial, max_bytes: int) -> str:
    """Fetch the whole recording into `partial`, going on from what is there; its media type.

    Raises RecordingGone, RecordingRefused, OutboundRefused, or Retryable (also OutboundFailed) for
    what may pass; what has come by then stays.
    """
    there = partial.beginning()
    offset = _offset(there, source, partial)
    if there is None or offset == 0 or offset != there.total:
        headers = dict(source.headers)
        if there is not None and there.validator is not None and offset:
            headers["If-Range"] = there.validator
        with outbound.stream(
            source.url,
            headers=headers,
            offset=offset,
            max_bytes=max_bytes,
            max_redirects=MAX_REDIRECTS,
            hosts=source.hosts,
            timeout=DOWNLOAD_SECONDS,
        ) as stream:
            _take(stream, source, partial, offset, max_bytes)
    media_type = sniff(partial.head(SNIFFED_BYTES))
    if media_type is None:
        raise RecordingRefused("not_audio", "what the server sent is no WAV, MP3, Ogg or WebM")
    return media_type


def _offset(there: Beginning | None, source: Source, partial: Partial) -> int:
    """Where to go on: 0 unless what is there is known to be of this source."""
    if there is None or there.validator is None or there.source != source.identity:
        return 0
    return partial.size


def _take(stream: Stream, source: Source, partial: Partial, offset: int, max_bytes: int) -> None:
    url, status, headers, chunks = stream
    if status in _GONE:
        raise RecordingGone(status, redirected=url != source.url)
    if status == _RANGE_NOT_SATISFIABLE:
        partial.discard_content()
        raise Retryable("the recording is shorter than before, it is fetched anew")
    if 300 <= status < 400:
        raise RecordingRefused("redirects", f"it is behind more than {MAX_REDIRECTS} redirects")
    if status not in (_OK, _PARTIAL_CONTENT):
        raise Retryable(f"the server answered {status}", after=retry_after_seconds(headers))
    if not may_be_audio(headers.get("content-type")):
        raise RecordingRefused("not_audio", f"the server calls it {headers['content-type'][:100]}")
    if status == _OK:
        partial.begin(Beginning(source.identity, _validator(headers), _length(headers)))
        total = _length(headers)
    else:
        total = _total_from(headers, offset, partial)
    if total is not None and total > max_bytes:
        raise RecordingRefused("too_large", f"it has {total} bytes, of {max_bytes} allowed")
    _write(chunks, partial, max_bytes)
    if total is not None and partial.size != total:
        raise Retryable(f"{partial.size} bytes of {total} came")


def _write(chunks: Iterator[bytes], partial: Partial, max_bytes: int) -> None:
    size = partial.size
    for chunk in chunks:
        if size == 0 and sniff(chunk[:SNIFFED_BYTES]) is None:
            raise RecordingRefused("not_audio", "what the server sent is no WAV, MP3, Ogg or WebM")
        size += len(chunk)
        if size > max_bytes:
            raise RecordingRefused("too_large", f"it has more than {max_bytes} bytes")
        partial.append(chunk)


def _total_from(headers: Mapping[str, str], offset: int, partial: Partial) -> int | None:
    """The whole's length by a 206. Raises Retryable if the part is not the one that was asked for."""
    found = _RANGE.fullmatch(headers.get("content-range", ""))
    there = partial.beginning()
    tag = _validator(headers)
    same = there is not None and (tag is None or tag == there.validator)
    if found is None or int(found[1]) != offset or not same:
        partial.discard_content()
        raise Retryable("the server sent another part than was asked for, it is fetched anew")
    return None if found[3] == "*" else int(found[3])


def _validator(headers: Mapping[str, str]) -> str | None:
    """What If-Range may compare: a strong ETag, else the date of the last change."""
    tag = headers.get("etag")
    if tag is not None:
        return None if tag.startswith("W/") else tag
    return headers.get("last-modified")


def _length(headers: Mapping[str, str]) -> int | None:
    return content_length(headers.get("content-length", ""))
