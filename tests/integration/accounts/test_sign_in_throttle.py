from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx2
import pytest
from tests.support.people import PASSWORD, Team, signing_in

_next = count(1)


@pytest.fixture(scope="module")
def strict(another_web) -> httpx2.Client:
    """A web process that allows two failed sign-ins per account, ten per address."""
    return another_web(RATE_LIMIT_LOGIN="2 per 15 minutes", OFFLOAD_WAIT_SECONDS="60")


@pytest.fixture
def attempt(strict: httpx2.Client) -> Callable[..., httpx2.Response]:
    """Tries to sign in, from an address of this test's own unless told otherwise."""
    address = f"192.0.2.{next(_next)}"

    def attempt(email: str, password: str = "wrong", address: str = address) -> httpx2.Response:
        return strict.post(
            "/api/auth/login",
            json={"email": email, "password": password},
            headers={"X-Forwarded-For": address},
        )

    return attempt


def test_an_account_takes_so_many_failures_and_no_more(attempt, team: Team):
    email = team.email("rep")
    assert [attempt(email).status_code for _ in range(2)] == [401] * 2
    refused = attempt(email, PASSWORD)
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["policy"] == "login"
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert attempt(email.upper(), PASSWORD).status_code == 429
    assert attempt(email, PASSWORD, address="198.51.100.7").status_code == 429
    assert attempt(team.email("manager"), PASSWORD).status_code == 200


def test_accounts_that_do_not_exist_are_limited_alike(attempt):
    assert [attempt("ghost@example.com").status_code for _ in range(3)] == [401] * 2 + [429]


def test_a_success_forgets_the_failures(attempt, team: Team):
    email = team.email("rep")
    for _ in range(3):
        assert attempt(email).status_code == 401
        assert attempt(email, PASSWORD).status_code == 200


def test_successes_alone_are_never_limited(attempt, team: Team):
    answers = [attempt(team.email("rep"), PASSWORD).status_code for _ in range(3)]
    assert answers == [200] * 3


def test_an_address_takes_five_times_as_many_whatever_the_accounts(attempt, team: Team):
    guesses = [attempt(f"guess-{number % 5}@example.com") for number in range(10)]
    assert [answer.status_code for answer in guesses] == [401] * 10
    refused = attempt(team.email("rep"), PASSWORD)
    assert (refused.status_code, refused.json()["policy"]) == (429, "login_address")
    assert attempt(team.email("rep"), PASSWORD, address="198.51.100.8").status_code == 200


def test_guesses_sent_all_at_once_learn_no_more(attempt, team: Team):
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: attempt(team.email("rep")).status_code, range(6)))
    assert sorted(answers) == [401] * 2 + [429] * 4


def test_the_current_password_cannot_be_guessed_either(strict, settings, team: Team):
    with signing_in(str(strict.base_url), settings) as sign_in:
        client = sign_in(team, "rep")
        path = f"/api/users/{team.people['rep']}/password"
        change = {"password": "another long one", "current_password": "wrong"}
        answers = [client.post(path, json=change).status_code for _ in range(3)]
    assert answers == [403] * 2 + [429]
