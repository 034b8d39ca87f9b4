"""The limit on grading on demand, as it is out of the box."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from graded_practice import RUBRIC
from tests.support.people import SignIn, Team, signing_in
from tests.support.processes import PlatformProcess, await_http, free_port

from clozone.settings import Settings

# A request that is refused for what it says counts all the same, and enqueues nothing.
PATH = "/api/analytics/grade-transcript"
BODY = {"transcript": "User: Hello there.\nAI: Hello.", "rubric": RUBRIC | {"pass_score": 101}}


@pytest.fixture
def strict(
    own_environment: dict[str, str], own_settings: Settings, tmp_path: Path
) -> Iterator[SignIn]:
    """Clients of a web process with the default limit."""
    names = ("rate_limit_strict", "rate_limit_strict_user")
    defaults = {name.upper(): Settings.model_fields[name].default for name in names}
    environment = own_environment | defaults
    address = f"127.0.0.1:{free_port()}"
    with PlatformProcess(["web", "--bind", address], environment, tmp_path / "web.log"):
        await_http(f"http://{address}/api/health/live")
        with signing_in(f"http://{address}", own_settings) as sign_in:
            yield sign_in


def test_the_sixty_first_within_a_quarter_of_an_hour_has_to_wait(
    strict: SignIn, team: Team
) -> None:
    rep = strict(team, "rep")
    answers = [rep.post(PATH, json=BODY) for _ in range(61)]
    assert [answer.status_code for answer in answers] == [422] * 60 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"strict_user";q=60;w=900'
    assert '"strict_user";r=59' in answers[0].headers["ratelimit"]
    refusal = answers[-1]
    assert refusal.headers["content-type"] == "application/problem+json"
    assert (refusal.json()["code"], refusal.json()["policy"]) == ("rate_limited", "strict_user")
    assert 0 < int(refusal.headers["retry-after"]) <= 900
    assert '"strict_user";r=0' in refusal.headers["ratelimit"]
    assert strict(team, "manager").post(PATH, json=BODY).status_code == 422
    assert rep.get("/api/sessions").status_code == 200


def test_without_credentials_the_eleventh_has_to_wait(strict: SignIn, team: Team) -> None:
    stranger = httpx2.Client(
        base_url=strict(team, "rep").base_url, headers={"X-Forwarded-For": "203.0.113.7"}
    )
    with stranger:
        answers = [stranger.post(PATH, json=BODY) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"strict";q=10;w=900'
    assert answers[-1].json()["policy"] == "strict"
