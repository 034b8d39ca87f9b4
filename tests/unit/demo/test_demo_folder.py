from pathlib import Path

import pytest

from clozone.demo.run import make_private


@pytest.mark.parametrize("there_before", [True, False])
def test_scorecards_are_for_their_owner_only(tmp_path: Path, there_before: bool) -> None:
    folder = tmp_path / "demo"
    if there_before:
        folder.mkdir(mode=0o755)
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
