import json
import os
import subprocess
import sys
from collections.abc import Callable
from uuid import uuid4

import pytest
from tests.support.people import PASSWORD, Team

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clozone(environment: dict[str, str], platform_db: None) -> Run:
    """Runs the command line as an operator would."""

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "clozone", *arguments]
        return subprocess.run(
            command,
            check=False,
            env=os.environ | environment,
            input=stdin,
            capture_output=True,
            text=True,
        )

    return run


def test_a_new_installation_gets_its_first_organisation_and_operator(clozone, api):
    email = f"{uuid4()}@example.com"
    arguments = ("--name", "Ada", "--role", "operator", "--new-organization", "Acme")
    made = json.loads(clozone("user", "create", email, *arguments).stdout)
    credentials = {"email": email, "password": made["password"]}
    user = api.post("/api/auth/login", json=credentials).json()["user"]
    assert (user["id"], user["role"], user["org_id"]) == (made["id"], "operator", made["org_id"])
    taken = clozone("user", "create", email, *arguments)
    assert (taken.returncode, taken.stdout) == (1, "")
    assert taken.stderr == "Error: This e-mail address is in use already.\n"


def test_a_person_is_added_with_a_password_from_standard_input(clozone, api, team: Team):
    email = f"{uuid4()}@example.com"
    arguments = ("--name", "Ada", "--organization", str(team.org_id), "--password-stdin")
    made = clozone("user", "create", email, *arguments, stdin="one long password\n")
    assert "password" not in json.loads(made.stdout)
    credentials = {"email": email, "password": "one long password"}
    assert api.post("/api/auth/login", json=credentials).status_code == 200
    assert team.audited() == [("user.created", "cli")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "A"),
        ("--name", "A", "--organization", str(uuid4()), "--new-organization", "Acme"),
        ("--name", "A", "--organization", str(uuid4())),
        ("--name", "", "--new-organization", "Acme"),
    ],
)
def test_what_cannot_be_added_is_refused_in_words(clozone, arguments):
    refused = clozone("user", "create", f"{uuid4()}@example.com", *arguments)
    assert refused.returncode != 0
    assert "Error: " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_people_are_listed(clozone, team: Team, other_team: Team):
    listed = json.loads(
        clozone("user", "list", "--json", "--organization", str(team.org_id)).stdout
    )
    assert {user["id"] for user in listed} == {str(user_id) for user_id in team.people.values()}
    everybody = clozone("user", "list").stdout
    assert team.email("rep") in everybody
    assert other_team.email("rep") in everybody
    assert "argon2" not in everybody


def test_passwords_are_set_and_people_deactivated(clozone, api, team: Team):
    email = team.email("rep")
    assert clozone("user", "set-password", email, "--password-stdin", stdin="short").returncode == 1
    made = json.loads(clozone("user", "set-password", email).stdout)
    assert (
        api.post("/api/auth/login", json={"email": email, "password": PASSWORD}).status_code == 401
    )
    credentials = {"email": email, "password": made["password"]}
    assert api.post("/api/auth/login", json=credentials).status_code == 200
    assert json.loads(clozone("user", "deactivate", email).stdout)["active"] is False
    assert api.post("/api/auth/login", json=credentials).status_code == 401
    last = clozone("user", "deactivate", team.email("admin"))
    assert (last.returncode, "last active administrator" in last.stderr) == (1, True)
    assert team.audited() == [("user.password_set", "cli"), ("user.deactivated", "cli")]


def test_a_person_is_bound_to_another_issuers_subject(clozone, team: Team):
    binding = ("--issuer", "https://login.example", "--subject", str(uuid4()))
    assert clozone("user", "bind", team.email("rep"), *binding).returncode == 0
    assert team.profile("rep").external_subject == f"https://login.example|{binding[-1]}"
    taken = clozone("user", "bind", team.email("manager"), *binding)
    assert (taken.returncode, taken.stderr) == (
        1,
        "Error: Somebody else is bound to this subject.\n",
    )


def test_a_token_is_issued_for_scripts(clozone, api, team: Team):
    token = clozone("token", "issue", team.email("manager")).stdout.strip()
    answer = api.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["id"] == str(team.people["manager"])
    team.add("rep", email="gone@example.org", active=False)
    assert clozone("token", "issue", "gone@example.org").returncode == 1
    assert clozone("token", "issue", "nobody@example.org").returncode == 1
