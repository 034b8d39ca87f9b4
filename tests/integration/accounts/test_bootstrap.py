import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clozone.demo.credentials import read_credentials

Bootstrap = Callable[..., dict[str, Any]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "credentials.json"


@pytest.fixture
def bootstrap(environment: dict[str, str], platform_db: None, file: Path) -> Bootstrap:
    """Runs the command and answers with what the file then says."""

    def bootstrap(**changes: str) -> dict[str, Any]:
        env = os.environ | environment | {"VAPI_WEBHOOK_SECRET": "vapi-secret"} | changes
        command = [sys.executable, "-m", "clozone", "bootstrap", "--credentials", str(file)]
        done = subprocess.run(command, check=False, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        content: dict[str, Any] = json.loads(file.read_text())
        return content

    return bootstrap


def signs_in(api: httpx2.Client, account: dict[str, str]) -> str | None:
    """The role of the person, or None if they cannot sign in."""
    answer = api.post("/api/auth/login", json=account)
    return str(answer.json()["user"]["role"]) if answer.status_code == 200 else None


def test_the_file_opens_the_demo_organisation(bootstrap, api, file):
    written = bootstrap(PUBLIC_URL="http://clozone.example:8080")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert written["base_url"] == "http://clozone.example:8080"
    assert written["vapi"] == {"header": "X-Vapi-Secret", "secret": "vapi-secret"}
    roles = {key: signs_in(api, written[key]) for key in ("operator", "manager", "rep", "rep_2")}
    assert roles == {"operator": "operator", "manager": "manager", "rep": "rep", "rep_2": "rep"}
    token = api.post("/api/auth/login", json=written["manager"]).json()
    assert token["user"]["org_id"] == written["organization_id"]
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    listed = api.get("/api/templates", headers=headers).json()["items"]
    assert {item["id"] for item in listed} == set(written["template_ids"])
    assert len(written["template_ids"]) == 3


def test_the_demo_reads_what_was_written(bootstrap, file):
    written = bootstrap()
    read = read_credentials(file.parent)
    assert read is not None
    assert read.caller("rep_2").email == written["rep_2"]["email"] != written["rep"]["email"]
    assert read.manager.password.get_secret_value() == written["manager"]["password"]


def test_once_more_changes_nothing(bootstrap, file):
    written = bootstrap()
    before = file.stat().st_ino
    assert bootstrap() == written
    assert file.stat().st_ino == before


def test_another_address_is_brought_up_to_date_and_passwords_stay(bootstrap):
    written = bootstrap()
    moved = bootstrap(PUBLIC_URL="http://localhost:9999", VAPI_WEBHOOK_AUTH="bearer")
    assert moved["base_url"] == "http://localhost:9999"
    assert moved["vapi"]["header"] == "Authorization"
    assert {**moved, "base_url": 0, "vapi": 0} == {**written, "base_url": 0, "vapi": 0}


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"organization_id": "x"}'])
def test_a_lost_or_broken_file_means_new_passwords_in_the_same_organisation(
    bootstrap, api, file, content
):
    written = bootstrap()
    file.unlink() if content is None else file.write_text(content)
    again = bootstrap()
    for name in ("organization_id", "template_ids"):
        assert again[name] == written[name]
    assert signs_in(api, written["rep"]) is None
    assert signs_in(api, again["rep"]) == "rep"


def test_a_file_of_another_database_is_replaced(bootstrap, api, file):
    written = bootstrap()
    file.write_text(json.dumps({**written, "organization_id": "0" * 32}))
    again = bootstrap()
    assert again["organization_id"] == written["organization_id"]
    assert signs_in(api, again["manager"]) == "manager"
