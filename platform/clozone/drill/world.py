"""Who takes part in a drill: organisations of its own, with managers, reps and templates."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import httpx2

from clozone.demo.content import demo_templates
from clozone.drill.database import Database
from clozone.drill.errors import DrillError
from clozone.drill.target import Target
from clozone.kit.clock import now
from clozone.kit.ids import new_id

COMMAND_SECONDS = 60
TIMEOUT_SECONDS = 20.0
TRIES = 5
# Far above what a drill can cost: the budget is there to be counted, not to refuse.
CAP_MICRODOLLARS = 1_000_000_000_000


@dataclass(slots=True)
class Person:
    """Somebody who can sign in; `token` is the latest access token."""

    id: UUID
    email: str
    password: str = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Organisation:
    """One organisation of the drill; templates by the key of the demonstration's."""

    id: UUID
    manager: Person
    reps: list[Person]
    templates: dict[str, UUID]


def make_world(
    target: Target, database: Database, run: str, organisations: int, reps: int
) -> list[Organisation]:
    """Make the organisations of the drill `run`, whose name is in theirs. Raises DrillError."""
    made = []
    for number in range(organisations):
        name = f"{run}-{number + 1}"
        manager, org_id = _manager(target, name)
        with httpx2.Client(base_url=target.url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            client.headers["Authorization"] = f"Bearer {_sign_in(client, manager)}"
            people = [_rep(client, name, place) for place in range(reps)]
            templates = {
                template.key: UUID(
                    _post(client, "/api/templates", template.model_dump(exclude={"key"}))["id"]
                )
                for template in demo_templates()
            }
        _budget(database, org_id)
        made.append(Organisation(org_id, manager, people, templates))
    return made


def price_the_model(database: Database, model: str) -> None:
    """Give the offline model a price, so that there is money to be counted. Holds for everybody."""
    database.change(
        """
        INSERT INTO price_overrides (id, model, effective_from, input_microdollars,
          cached_input_microdollars, output_microdollars, created_at)
        VALUES (%(id)s, %(model)s, '2020-01-01', 100000, 10000, 500000, %(now)s)
        """,
        id=new_id(),
        model=model,
        now=now(),
    )


def _manager(target: Target, name: str) -> tuple[Person, UUID]:
    password = secrets.token_urlsafe(18)
    email = f"manager@{name}.example"
    words = ["user", "create", email, "--name", "Drill Manager", "--role", "manager"]
    done = subprocess.run(  # noqa: S603
        [
            *(sys.executable, "-m", "clozone", *words),
            *("--new-organization", name, "--password-stdin"),
        ],
        env=dict(target.environment),
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode:
        raise DrillError(f"The drill's organisation could not be made: {done.stderr.strip()}")
    facts = json.loads(done.stdout)
    return Person(UUID(facts["id"]), email, password), UUID(facts["org_id"])


def _sign_in(client: httpx2.Client, person: Person) -> str:
    body = {"email": person.email, "password": person.password}
    person.token = str(_post(client, "/api/auth/login", body)["access_token"])
    return person.token


def _rep(client: httpx2.Client, name: str, place: int) -> Person:
    password = secrets.token_urlsafe(18)
    email = f"rep{place + 1}@{name}.example"
    body = {"email": email, "full_name": f"Drill Rep {place + 1}", "role": "rep"}
    made = _post(client, "/api/users", body | {"password": password})
    return Person(UUID(made["id"]), email, password)


def _budget(database: Database, org_id: UUID) -> None:
    database.change(
        """
        INSERT INTO budgets (id, org_id, period, cap_microdollars, created_at, updated_at)
        VALUES (%(id)s, %(org)s, 'month', %(cap)s, %(now)s, %(now)s)
        """,
        id=new_id(),
        org=org_id,
        cap=CAP_MICRODOLLARS,
        now=now(),
    )


def _post(client: httpx2.Client, path: str, body: object) -> dict[str, str]:
    answer = _patiently(lambda: client.post(path, json=body))
    if not answer.is_success:
        raise DrillError(
            f"The drill could not be prepared: POST {path} answered {answer.status_code}: "
            f"{answer.text[:300]}"
        )
    return dict(answer.json())


def _patiently(ask: Callable[[], httpx2.Response]) -> httpx2.Response:
    answer = ask()
    for tried in range(TRIES):
        if answer.status_code not in (429, 503):
            break
        time.sleep(0.5 * 2**tried)
        answer = ask()
    return answer
