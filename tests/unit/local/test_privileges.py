import os
from pathlib import Path

import pytest

from clozone.local.privileges import Account, can_reach

STRANGER = Account(uid=61_234, gid=61_234)


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """A folder whose parents are open to everybody, as far as they are ours to open."""
    target = tmp_path / "a" / "b"
    target.mkdir(parents=True)
    return target


def _closed_above(path: Path) -> bool:
    return any(not each.stat().st_mode & 0o001 for each in path.parents)


def test_one_closed_folder_on_the_way_is_enough(open_path: Path) -> None:
    open_path.parent.chmod(0o700)
    assert not can_reach(STRANGER, open_path)


def test_open_all_the_way(open_path: Path) -> None:
    open_path.chmod(0o711)
    open_path.parent.chmod(0o711)
    assert can_reach(STRANGER, open_path) == (not _closed_above(open_path))


def test_the_owner_enters_what_is_closed_to_others(open_path: Path) -> None:
    open_path.chmod(0o700)
    assert can_reach(Account(os.getuid(), os.getgid()), open_path)


def test_the_owner_counts_as_owner_even_where_others_may_more(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    folder.chmod(0o011)
    assert not can_reach(Account(os.getuid(), os.getgid()), folder)


def test_what_is_not_there_cannot_be_reached(tmp_path: Path) -> None:
    assert not can_reach(STRANGER, tmp_path / "none")
