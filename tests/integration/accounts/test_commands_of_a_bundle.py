"""Commands in a shell that knows nothing but where the running bundle has its home."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from tests.support.processes import free_port
from tests.support.servers import shared_bundle

from clozone.accounts.tokens import AccessTokens
from clozone.settings import Settings

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = [
    ("user", "list"),
    ("user", "create", "a@example.com", "--name", "A", "--new-organization", "B"),
    ("token", "issue", "nobody@example.com"),
    ("analytics", "verify"),
    ("analytics", "rebuild"),
    ("bootstrap", "--credentials", "unwritten.json"),
]


def clozone(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line with hardly anything in its environment."""
    plain = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    command = [sys.executable, "-m", "clozone", *words]
    return subprocess.run(
        command, check=False, env=plain | env, cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def bundle(environment: dict[str, str]) -> dict[str, str]:
    """The variables of the run's bundle; its own database is migrated."""
    shared = shared_bundle("backing")
    done = subprocess.run(
        [sys.executable, "-m", "clozone", "migrate"],
        check=False,
        env=os.environ | shared,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return shared


def test_the_commands_find_the_running_bundle(bundle, tmp_path):
    home, email = {"CLOZONE_HOME": bundle["CLOZONE_HOME"]}, f"{uuid4()}@example.com"
    new = ("user", "create", email, "--name", "Ada", "--new-organization", "Acme")
    made = clozone(*new, cwd=tmp_path, **home)
    assert made.returncode == 0, made.stderr
    assert email in clozone("user", "list", cwd=tmp_path, **home).stdout
    token = clozone("token", "issue", email, cwd=tmp_path, **home).stdout.strip()
    actor = AccessTokens(Settings(jwt_secret=bundle["JWT_SECRET"])).read(token)
    assert str(actor.user_id) == json.loads(made.stdout)["id"]
    checked = clozone("analytics", "verify", cwd=tmp_path, **home)
    assert checked.stdout == "the rollup equals a recount from the sessions\n", checked.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_where_nothing_runs_one_sentence_says_what_to_do(words, tmp_path):
    refused = clozone(*words, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Error: No Clozone runs in {tmp_path / '.clozone'}. ")
    assert "clozone up" in refused.stderr
    assert "DATABASE_URL" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_database_that_does_not_answer_is_one_sentence(words, tmp_path):
    url = f"postgresql://clozone_app:hidden@127.0.0.1:{free_port()}/clozone"
    refused = clozone(*words, cwd=tmp_path, DATABASE_URL=url, JWT_SECRET="x" * 32)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: The database does not answer")
    assert refused.stderr.count("\n") == 1
    assert "hidden" not in refused.stderr


def test_what_is_set_in_the_shell_wins_where_the_bundle_leaves_the_choice(bundle, tmp_path):
    home, email = {"CLOZONE_HOME": bundle["CLOZONE_HOME"]}, f"{uuid4()}@example.com"
    new = ("user", "create", email, "--name", "Ada", "--new-organization", "Acme")
    assert clozone(*new, cwd=tmp_path, DATABASE_URL="", **home).returncode == 0
    secret = "the secret that the bundle was started with"
    token = clozone("token", "issue", email, cwd=tmp_path, JWT_SECRET=secret, **home).stdout
    assert AccessTokens(Settings(jwt_secret=secret)).read(token.strip()).user_id
