import json
import os
import stat
from dataclasses import asdict
from pathlib import Path

import pytest

from clozone.local.errors import BundleError
from clozone.local.keys import load_keys


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        load_keys(tmp_path / "keys.json")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_made_once_and_then_kept(tmp_path: Path) -> None:
    first = load_keys(tmp_path / "keys.json")
    assert load_keys(tmp_path / "keys.json") == first


def test_every_secret_is_long_and_its_own(tmp_path: Path) -> None:
    keys = load_keys(tmp_path / "keys.json")
    secrets = list(asdict(keys).values())
    assert len(set(secrets)) == len(secrets)
    assert all(len(secret) >= 20 for secret in secrets)
    assert len(keys.jwt_secret) >= 32


def test_a_file_of_an_older_version_keeps_its_keys_and_gets_the_new_ones(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"valkey_password": "old"}))
    keys = load_keys(file)
    assert keys.valkey_password == "old"
    assert json.loads(file.read_text()) == asdict(keys)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"jwt_secret": 1}'])
def test_a_broken_file_is_never_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(BundleError, match=r"keys\.json"):
        load_keys(file)
    assert file.read_text() == content
