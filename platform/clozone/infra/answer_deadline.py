"""An end to every answer, whatever trickles in.

HTTP clients bound each wait for the next bytes. A provider that sends a piece now and then, or only
comments that say it is still at work, would hold a caller for ever.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx2

_ENDS_AT = "clozone.ends_at"


def ending_after(seconds: float) -> dict[str, list[Callable[[Any], None]]]:
    """Event hooks for an httpx2 client that end its responses so many seconds after the request.

    Reading on after that raises httpx2.ReadTimeout.
    """

    def begin(request: httpx2.Request) -> None:
        request.extensions[_ENDS_AT] = time.monotonic() + seconds

    def bound(response: httpx2.Response) -> None:
        stream = cast(httpx2.SyncByteStream, response.stream)
        response.stream = _Ending(stream, response.request.extensions[_ENDS_AT])

    return {"request": [begin], "response": [bound]}


class _Ending(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            if time.monotonic() > self._ends_at:
                raise httpx2.ReadTimeout("the answer took too long")
            yield part

    def close(self) -> None:
        self._stream.close()
