import json
from pathlib import Path
from typing import Any

from clozone.demo.credentials import read_credentials

WRITTEN: dict[str, Any] = {
    "base_url": "http://127.0.0.1:8080",
    "organization_id": "org-1",
    "template_ids": ["t1"],
    "operator": {"email": "operator@demo.test", "password": "a"},
    "manager": {"email": "manager@demo.test", "password": "b"},
    "rep": {"email": "rep@demo.test", "password": "c"},
    "vapi": {"header": "X-Vapi-Secret", "secret": "hush"},
}


def test_before_the_first_start_there_are_none(tmp_path: Path) -> None:
    assert read_credentials(tmp_path) is None


def test_one_rep_makes_all_calls_unless_there_is_a_second(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(WRITTEN))
    alone = read_credentials(tmp_path)
    assert alone is not None
    assert alone.caller("rep_2").email == "rep@demo.test"
    file.write_text(json.dumps(WRITTEN | {"rep_2": {"email": "two@demo.test", "password": "d"}}))
    two = read_credentials(tmp_path)
    assert two is not None
    assert two.caller("rep_2").email == "two@demo.test"
    assert two.caller("rep").email == "rep@demo.test"


def test_no_secret_shows_in_print(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text(json.dumps(WRITTEN))
    assert "hush" not in repr(read_credentials(tmp_path))
