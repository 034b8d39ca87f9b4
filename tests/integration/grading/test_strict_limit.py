"""The limit on grading on demand, as it is out of the box."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from graded_practice import RUBRIC
from tests.support.people import SignIn, Team, signing_in
from tests.support.processes import PlatformProcess, await_http, free_port

from clozone.settings import Settings

# A request that is refused for what it says counts all the same, and enqueues nothing.
BODY = {"transcript": "User: Hello there.\nAI: Hello.", "rubric": RUBRIC | {"pass_score": 101}}


@pytest.fixture
def strict(
    own_environment: dict[str, str], own_settings: Settings, tmp_path: Path
) -> Iterator[SignIn]:
    """Clients of a web process with the default limit."""
    default = Settings.model_fields["rate_limit_strict"].default
    environment = own_environment | {"RATE_LIMIT_STRICT": default}
    address = f"127.0.0.1:{free_port()}"
    with PlatformProcess(["web", "--bind", address], environment, tmp_path / "web.log"):
        await_http(f"http://{address}/api/health/live")
        with signing_in(f"http://{address}", own_settings) as sign_in:
            yield sign_in


def test_the_eleventh_within_a_quarter_of_an_hour_has_to_wait(strict: SignIn, team: Team) -> None:
    rep = strict(team, "rep")
    path = "/api/analytics/grade-transcript"
    answers = [rep.post(path, json=BODY) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    assert answers[0].headers["ratelimit-policy"] == '"strict";q=10;w=900'
    assert '"strict";r=9' in answers[0].headers["ratelimit"]
    refusal = answers[-1]
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.json()["code"] == "rate_limited"
    assert 0 < int(refusal.headers["retry-after"]) <= 900
    assert '"strict";r=0' in refusal.headers["ratelimit"]
    assert strict(team, "manager").post(path, json=BODY).status_code == 422
    assert rep.get("/api/sessions").status_code == 200
