"""Log files: one for each process, kept small, read from their end."""

import os
from collections.abc import Iterable
from pathlib import Path

ROTATE_BYTES = 10 * 1024 * 1024
KEEP = 3
_CHUNK = 64 * 1024


def rotate(file: Path, limit: int = ROTATE_BYTES, keep: int = KEEP) -> bool:
    """Move what is in `file` to `file.1`, `file.1` to `file.2` …, if it is over `limit` bytes.

    The file itself is copied and emptied, not renamed: whoever writes it, appending, goes on doing
    so. Returns whether it was rotated.
    """
    try:
        if file.stat().st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    for number in range(keep - 1, 0, -1):
        older = file.with_name(f"{file.name}.{number}")
        if older.exists():
            older.replace(file.with_name(f"{file.name}.{number + 1}"))
    copy = file.with_name(f"{file.name}.1")
    copy.write_bytes(file.read_bytes())
    copy.chmod(0o600)
    os.truncate(file, 0)
    return True


def last_lines(file: Path, count: int, *, since: int = 0) -> list[str]:
    """The last `count` lines of `file`, of the part beyond byte `since`. No file: no lines."""
    try:
        with file.open("rb") as handle:
            end = handle.seek(0, os.SEEK_END)
            block = b""
            at = end
            while at > since and block.count(b"\n") <= count:
                step = min(_CHUNK, at - since)
                at -= step
                handle.seek(at)
                block = handle.read(step) + block
    except FileNotFoundError:
        return []
    lines = block.decode(errors="replace").splitlines()
    return lines[-count:] if count > 0 else []


class Follower:
    """Reads what is added to log files, whole lines only."""

    def __init__(self, files: Iterable[tuple[str, Path]], *, from_end: bool = True) -> None:
        """Follow `files`, given as (name, path); files that are not there yet are waited for."""
        self._files = dict(files)
        self._at = {name: _size(path) if from_end else 0 for name, path in self._files.items()}
        self._rest = dict.fromkeys(self._files, b"")

    def new_lines(self) -> list[tuple[str, str]]:
        """Everything that has been added since the last call, as (name, line)."""
        return [(name, line) for name in self._files for line in self._read(name)]

    def _read(self, name: str) -> list[str]:
        path = self._files[name]
        size = _size(path)
        if size < self._at[name]:
            self._at[name], self._rest[name] = 0, b""
        if size == self._at[name]:
            return []
        with path.open("rb") as handle:
            handle.seek(self._at[name])
            block = handle.read(size - self._at[name])
        self._at[name] += len(block)
        *lines, self._rest[name] = (self._rest[name] + block).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
