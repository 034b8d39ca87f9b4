"""A recording on its way: a file of what is there so far, and of what it is the beginning.

It outlives the attempt that began it, so that the next one on this machine goes on where it broke
off, provided that the source is still the same: its address without the signature, and its ETag or
date of change, which the server compares too (If-Range).
"""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

from clozone.kit.errors import Retryable

LONGEST_KEPT_SECONDS = 86_400.0
BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the bytes so far are the beginning of.

    `source` is an address without its query; `validator` what If-Range compares, None if the
    source cannot be compared; `total` the length of the whole, bytes, None if not told.
    """

    source: str
    validator: str | None
    total: int | None


class Partial:
    """The file of one session's recording, held by one attempt at a time."""

    def __init__(self, file: IO[bytes], facts: Path) -> None:
        self._file = file
        self._facts = facts
        self.path = Path(file.name)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size

    def beginning(self) -> Beginning | None:
        """What the bytes belong to, or None when there are none that can be gone on with."""
        try:
            beginning = Beginning(**json.loads(self._facts.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return beginning if self.size else None

    def begin(self, beginning: Beginning) -> None:
        """Drop what is there and start anew."""
        self.discard_content()
        self._facts.write_text(json.dumps(asdict(beginning)))

    def discard_content(self) -> None:
        """Drop what is there; the file stays this attempt's."""
        # In this order: bytes never stand beside facts that are not theirs.
        self._facts.unlink(missing_ok=True)
        self._file.truncate(0)

    def append(self, chunk: bytes) -> None:
        """Add what came next. Raises OSError when the disk does not take all of it."""
        left = memoryview(chunk)
        while left:
            left = left[self._file.write(left) :]

    def head(self, length: int) -> bytes:
        """The first bytes."""
        with self.path.open("rb") as file:
            return file.read(length)

    def discard(self) -> None:
        """Remove the file: its content is stored, or not wanted."""
        self._facts.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


@contextmanager
def open_partial(folder: Path, session_id: UUID) -> Iterator[Partial]:
    """The partial recording of a session, new or left by an earlier attempt.

    Raises Retryable while another attempt on this machine has it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{session_id}.part").open("ab", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Retryable(
                "this recording is being fetched already", after=BUSY_SECONDS
            ) from error
        yield Partial(file, folder / f"{session_id}.json")


def discard(folder: Path, session_id: UUID) -> None:
    """Remove what is there of a session's recording, unless an attempt has it at this moment."""
    part = folder / f"{session_id}.part"
    with suppress(FileNotFoundError), part.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        part.with_suffix(".json").unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what nobody went on with for a day: its job ended elsewhere, or was given up."""
    oldest = time.time() - LONGEST_KEPT_SECONDS
    for path in [*folder.glob("*.part"), *folder.glob("*.json")]:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()
