"""How full the spool is, without counting a large folder again for each request."""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

EVENT, REASON = ".event", ".reason"
REFUSED = "refused"
_COUNT_AGAIN_SECONDS = 1.0
# Counting a large folder takes long; it may take at most one part in this many of the time.
_COUNTING_SHARE = 20


@dataclass(frozen=True, slots=True)
class Usage:
    """How many requests wait, how many were set aside, and the bytes of all of them."""

    waiting: int = 0
    refused: int = 0
    size_bytes: int = 0

    def plus(self, *, waiting: int = 0, refused: int = 0, size_bytes: int = 0) -> "Usage":
        """This and a change, never below nothing."""
        return Usage(
            max(self.waiting + waiting, 0),
            max(self.refused + refused, 0),
            max(self.size_bytes + size_bytes, 0),
        )


class UsageMeter:
    """Counts the folder now and then, and in between what this process adds and takes.

    What other processes do is known a second later, in a folder of many thousand files some
    seconds later: by that much the limit can be overshot.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._usage = Usage()
        self._in_flight = 0
        self._count_after = 0.0

    def reserve(self, size: int) -> bool:
        """Take room for a file that is about to be written; False when there is none."""
        with self._lock:
            if self._counted().size_bytes + self._in_flight + size > self._max_bytes:
                return False
            self._in_flight += size
            return True

    def settle(self, size: int, *, stored: bool) -> None:
        """The file that room was taken for is there, or will not come."""
        with self._lock:
            self._in_flight -= size
            if stored:
                self._usage = self._usage.plus(waiting=1, size_bytes=size)

    def note(self, *, waiting: int = 0, refused: int = 0, size_bytes: int = 0) -> None:
        """Something else changed by this much."""
        with self._lock:
            self._usage = self._usage.plus(waiting=waiting, refused=refused, size_bytes=size_bytes)

    def usage(self) -> Usage:
        """What is there, a moment old at most."""
        with self._lock:
            return self._counted()

    def _counted(self) -> Usage:
        began = time.monotonic()
        if began >= self._count_after:
            waiting, size = _count(self._folder)
            refused, refused_size = _count(self._folder / REFUSED)
            self._usage = Usage(waiting, refused, size + refused_size)
            done = time.monotonic()
            pause = max(_COUNT_AGAIN_SECONDS, (done - began) * _COUNTING_SHARE)
            self._count_after = done + pause
        return self._usage


def _count(folder: Path) -> tuple[int, int]:
    """How many requests there are in a folder, and the bytes of its finished files."""
    requests = size = 0
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((EVENT, REASON)):
                with suppress(FileNotFoundError):  # taken a moment ago
                    size += entry.stat().st_size
                    requests += entry.name.endswith(EVENT)
    return requests, size
