"""Files of recordings on their way."""

import errno
import io
from pathlib import Path
from uuid import UUID

import pytest

from clozone.recordings.partial import Beginning, Partial, discard, open_partial

SESSION = UUID(int=7)


class FullDisk(io.FileIO):
    """Takes ten bytes at a time; past `room` the disk is full."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, "ab")
        self._left = room

    def write(self, content) -> int:
        if self._left == 0:
            raise OSError(errno.ENOSPC, "no space left")
        taken = super().write(bytes(content)[: min(10, self._left)])
        self._left -= taken
        return taken


def test_what_the_disk_takes_in_pieces_is_written_whole(tmp_path: Path):
    with FullDisk(tmp_path / "a.part", room=1_000) as file:
        partial = Partial(file, tmp_path / "a.json")
        partial.append(bytes(range(64)))
    assert partial.path.read_bytes() == bytes(range(64))


def test_what_the_disk_does_not_take_is_an_error(tmp_path: Path):
    with FullDisk(tmp_path / "a.part", room=25) as file:
        partial = Partial(file, tmp_path / "a.json")
        with pytest.raises(OSError, match="no space"):
            partial.append(bytes(range(64)))
    # And the next attempt goes on behind what is there.
    assert partial.path.read_bytes() == bytes(range(25))


def test_what_is_discarded_is_gone_unless_an_attempt_has_it(tmp_path: Path):
    with open_partial(tmp_path, SESSION) as partial:
        partial.begin(Beginning("https://a.example/", None, None))
        partial.append(b"sound")
        discard(tmp_path, SESSION)
        assert len(list(tmp_path.iterdir())) == 2
    discard(tmp_path, SESSION)
    assert list(tmp_path.iterdir()) == []
    discard(tmp_path, SESSION)
