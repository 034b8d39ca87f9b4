"""The spool: a folder in which requests wait, one file each, while PostgreSQL is away.

A file is written under a temporary name, synced, renamed, and its folder synced; only then is its
sender answered. Names sort by time. Several processes of one machine share a folder: any may add,
one at a time takes away. What cannot be used is set aside in `refused/`, never deleted.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clozone.infra.spool_file import ReceivedRequest, decode, encode
from clozone.infra.spool_usage import EVENT, REASON, REFUSED, Usage, UsageMeter
from clozone.settings import Settings

_UNFINISHED = ".unfinished"
_LOCK = ".lock"
# A writer that has not finished by now is dead; if it is not, its rename fails and it says so.
_UNFINISHED_SECONDS = 60.0


class SpoolFailed(Exception):
    """The request is not in the spool; the message says why."""


class SpoolFull(SpoolFailed):
    """With this request the folder would outgrow its limit."""


class Spool:
    """One folder, which need not exist yet, and the most bytes that it may hold."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._meter = UsageMeter(folder, max_bytes)

    # ---- Adding ---------------------------------------------------------------------------------

    def put(self, request: ReceivedRequest) -> None:
        """Store a request; it is on disk on return. Raises SpoolFailed, and leaves nothing then."""
        content = encode(request)
        if not self._meter.reserve(len(content)):
            raise SpoolFull(f"the spool is full ({self.max_bytes} bytes)")
        stored = False
        try:
            self._write(str(request.id), content)
            stored = True
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SpoolFailed(f"the spool cannot be written: {reason}") from error
        finally:
            self._meter.settle(len(content), stored=stored)

    def _write(self, name: str, content: bytes) -> None:
        self._make_folder()
        unfinished = self.folder / f".{name}{_UNFINISHED}"
        finished = self.folder / f"{name}{EVENT}"
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            unfinished.rename(finished)
            _sync_folder(self.folder)
        except OSError:
            # Whoever sent it is told that it is not safe, so it must not turn up by itself.
            for path in (unfinished, finished):
                with suppress(OSError):
                    path.unlink()
            raise

    def _make_folder(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_folder(self.folder.parent)

    # ---- Taking away ----------------------------------------------------------------------------

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this process, among those that share the folder, may take from it in the block.

        The kernel releases the lock of a process that dies.
        """
        if not self.folder.is_dir():  # nothing was ever spooled
            yield False
            return
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            yield _locked(descriptor)
        finally:
            os.close(descriptor)

    def waiting(self) -> list[str]:
        """The names of the requests that wait, oldest first."""
        return sorted(name for name in self._names() if name.endswith(EVENT))

    def read(self, name: str) -> ReceivedRequest:
        """A request that waits. Raises TornFile, or OSError when it cannot be read."""
        return decode((self.folder / name).read_bytes())

    def remove(self, name: str) -> None:
        """Forget a request that is safe elsewhere."""
        path = self.folder / name
        with suppress(FileNotFoundError):  # an operator took it
            size = path.stat().st_size
            path.unlink()
            self._meter.note(waiting=-1, size_bytes=-size)

    def set_aside(self, name: str, reason: str) -> None:
        """Move what cannot be used to `refused/`, and write the reason beside it."""
        refused = self.folder / REFUSED
        refused.mkdir(mode=0o700, exist_ok=True)
        note = refused / f"{name.removesuffix(EVENT)}{REASON}"
        with suppress(OSError):  # no room for the reason: the log has it
            note.write_text(f"{reason}\n")
        (self.folder / name).rename(refused / name)
        _sync_folder(refused)
        _sync_folder(self.folder)
        self._meter.note(waiting=-1, refused=1)

    def remove_unfinished(self) -> int:
        """Delete what dead writers left half-written, for nobody was told that it is safe."""
        removed = 0
        for name in self._names():
            if name.endswith(_UNFINISHED):
                path = self.folder / name
                with suppress(FileNotFoundError):  # its writer has just finished it
                    if time.time() - path.stat().st_mtime > _UNFINISHED_SECONDS:
                        path.unlink()
                        removed += 1
        return removed

    # ---- Looking --------------------------------------------------------------------------------

    def usage(self) -> Usage:
        """How much is there, a moment old at most."""
        return self._meter.usage()

    def is_writable(self) -> bool:
        """Whether the folder can be written, or made where it does not exist yet."""
        place = self.folder.absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        return place.is_dir() and os.access(place, os.W_OK | os.X_OK)

    def _names(self) -> list[str]:
        try:
            with os.scandir(self.folder) as entries:
                return [entry.name for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return []


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_spool: Spool | None = None


def init_spool(settings: Settings) -> Spool:
    """Set up the spool of this process. Touches nothing on disk."""
    global _spool  # noqa: PLW0603 - one spool per process, like the connection pool
    _spool = Spool(settings.spool_folder, settings.spool_max_bytes)
    return _spool


def spool() -> Spool:
    """The spool of this process."""
    if _spool is None:
        raise RuntimeError("init_spool(settings) comes first")
    return _spool
