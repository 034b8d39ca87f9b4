"""Limits and the cache as clients see them: through nginx, with two instances behind it."""

import gzip
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx2
import pytest
from tests.conftest import GENEROUS
from tests.support.nginx_site import client_from
from tests.support.platform import Platform, demo_call, eventually, never_heard_before

from clozone.kit.ids import new_id
from clozone.local.bundle import Bundle
from clozone.settings import Settings

KEY_QUOTA = 60
ENVIRONMENT = {
    **GENEROUS,
    "RATE_LIMIT_API": Settings.model_fields["rate_limit_api"].default,
    "RATE_LIMIT_KEY": f"{KEY_QUOTA} per 15 minutes",
    "NGINX_RATE_API": "10000r/s",
    "NGINX_RATE_STRICT": "10000r/s",
    "NGINX_BURST_STRICT": "10000",
}
BOTH = {"web-1", "web-2"}
CROWD = 100
# As long as a request that waits for a silent Redis and then for PostgreSQL may take here.
PATIENT_SECONDS = 30


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The whole platform with the limits of the house for strangers and API keys."""
    bundle = Bundle(
        tmp_path_factory.mktemp("instances") / "home", port=0, env=os.environ | ENVIRONMENT
    )
    bundle.start()
    try:
        yield Platform(bundle)
    finally:
        bundle.destroy()


@pytest.fixture(scope="module")
def manager(site: Platform) -> Iterator[httpx2.Client]:
    with closing(site.signed_in("manager")) as client:
        yield client


@pytest.fixture(scope="module")
def rep(site: Platform) -> Iterator[httpx2.Client]:
    with closing(site.signed_in("rep")) as client:
        yield client


@pytest.fixture
def with_key(site: Platform) -> Iterator[httpx2.Client]:
    """A client with an API key that has not been used."""
    with closing(site.signed_in("operator")) as operator:
        body = {"name": f"Key {new_id()}", "role": "manager", "scopes": ["read"]}
        made = operator.post("/api/api-keys", json=body)
    assert made.status_code == 201, made.text
    headers = {"X-API-Key": made.json()["key"]}
    limits = httpx2.Limits(max_connections=CROWD)
    with httpx2.Client(
        base_url=site.url, headers=headers, timeout=PATIENT_SECONDS, limits=limits
    ) as client:
        yield client


def graded_call(site: Platform, rep: httpx2.Client) -> None:
    """One more call that was practised and graded."""
    call = never_heard_before(demo_call("01-discovery-strong"))
    session_id = site.start_session(rep, call)
    site.deliver(call, session_id)
    eventually(lambda: rep.get(f"/api/sessions/{session_id}").json()["status"] == "completed")


def instance(answer: httpx2.Response) -> str:
    """Which instance answered."""
    return str(answer.headers["x-clozone-instance"])


# ---- Limits -------------------------------------------------------------------------------------


def test_an_address_has_exactly_its_quota_whatever_it_says_of_itself(site: Platform) -> None:
    with client_from(site.bundle, "127.0.0.20") as elsewhere:
        login = elsewhere.post("/api/auth/login", json=site.credentials["rep"])
        token, seen = login.json()["refresh_token"], set()
        with client_from(site.bundle, "127.0.0.21") as client:
            for left in reversed(range(100)):
                answer = client.post("/api/auth/refresh", json={"refresh_token": token})
                assert answer.status_code == 200, answer.text
                assert answer.headers["ratelimit-policy"] == '"api";q=100;w=900'
                assert answer.headers["ratelimit"].startswith(f'"api";r={left};t=')
                token = answer.json()["refresh_token"]
                seen.add(instance(answer))
            assert seen == BOTH
            forged: list[list[tuple[str, str]]] = [
                [],
                [("X-Forwarded-For", "6.6.6.6")],
                [("X-Forwarded-For", "6.6.6.7"), ("X-Forwarded-For", "127.0.0.99, 6.6.6.8")],
                [("X-Forwarded-For", "2001:db8::1"), ("X-Real-IP", "6.6.6.9")],
                [("Forwarded", "for=6.6.6.10"), ("X-Forwarded-For", "'" * 500)],
            ]
            for fields in forged * 2:
                refused = client.post(
                    "/api/auth/refresh", json={"refresh_token": token}, headers=fields
                )
                assert refused.status_code == 429
        problem = refused.json()
        assert refused.headers["content-type"] == "application/problem+json"
        assert (problem["code"], problem["policy"]) == ("rate_limited", "api")
        assert 0 < int(refused.headers["retry-after"]) <= 900
        assert refused.headers["ratelimit"].startswith('"api";r=0;t=')
        # A refusal uses nothing up: not the token, and nobody else's quota.
        answer = elsewhere.post("/api/auth/refresh", json={"refresh_token": token})
        assert answer.status_code == 200


def test_exactly_the_quota_passes_when_all_ask_both_instances_at_once(
    with_key: httpx2.Client,
) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: with_key.get("/api/sessions"), range(2 * KEY_QUOTA)))
    assert Counter(answer.status_code for answer in answers) == {200: KEY_QUOTA, 429: KEY_QUOTA}
    assert {instance(answer) for answer in answers} == BOTH
    left = {answer.headers["ratelimit"].split(";")[1] for answer in answers}
    assert left == {f"r={number}" for number in range(KEY_QUOTA)}


# ---- The cache ----------------------------------------------------------------------------------


def test_a_crowd_that_misses_in_both_instances_is_one_computation(
    site: Platform, manager: httpx2.Client, rep: httpx2.Client
) -> None:
    graded_call(site, rep)
    token = {"Authorization": manager.headers["Authorization"]}
    limits = httpx2.Limits(max_connections=CROWD)
    with httpx2.Client(
        base_url=site.url, headers=token, timeout=PATIENT_SECONDS, limits=limits
    ) as client:
        before = computations(site)
        with ThreadPoolExecutor(CROWD) as pool:
            start = threading.Barrier(CROWD)

            def ask(_: int) -> httpx2.Response:
                start.wait()
                return client.get("/api/analytics?period=7d")

            answers = list(pool.map(ask, range(CROWD)))
    assert {answer.status_code for answer in answers} == {200}
    assert {instance(answer) for answer in answers} == BOTH
    assert len({answer.content for answer in answers}) == 1
    assert computations(site) - before == 1


def computations(site: Platform) -> int:
    """How often a report was computed so far."""
    ((calls,),) = site.rows(
        "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements"
        " WHERE toplevel AND query ILIKE %s AND query NOT ILIKE %s",
        "%analytics_report(%",
        "%pg_stat_statements%",
    )
    return int(calls)


def test_both_forms_of_an_answer_have_strong_tags_that_nginx_leaves_alone(
    site: Platform, manager: httpx2.Client, rep: httpx2.Client
) -> None:
    graded_call(site, rep)

    def read(**fields: str) -> httpx2.Response:
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        return manager.get("/api/analytics", headers=headers)

    plain, packed = read(Accept_Encoding="identity"), read(Accept_Encoding="gzip, br")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.content == packed.content  # the client unpacks it
    assert plain.headers["etag"] != packed.headers["etag"]
    for answer in (plain, packed):
        assert answer.headers["etag"].startswith('"')
        assert "accept-encoding" in answer.headers["vary"].lower()
        assert answer.headers["cache-control"] == "private, no-cache"
    for have in (plain.headers["etag"], packed.headers["etag"]):
        for accept in ("identity", "gzip"):
            for _ in range(4):  # both instances
                unchanged = read(Accept_Encoding=accept, If_None_Match=f'"other", W/{have}')
                assert (unchanged.status_code, unchanged.content) == (304, b"")
                assert unchanged.headers["etag"] == have
    assert read(If_None_Match='"other"').status_code == 200


def test_what_nginx_passes_on_is_what_was_packed(site: Platform, manager: httpx2.Client) -> None:
    request = manager.build_request("GET", "/api/analytics", headers={"Accept-Encoding": "gzip"})
    answer = manager.send(request, stream=True)
    body = b"".join(answer.iter_raw())
    answer.close()
    assert int(answer.headers["content-length"]) == len(body)
    assert gzip.decompress(body) == manager.get("/api/analytics").content


def test_a_grade_that_lands_is_in_the_next_read_of_every_instance(
    site: Platform, manager: httpx2.Client, rep: httpx2.Client
) -> None:
    def graded(client: httpx2.Client) -> set[int]:
        answers = [client.get("/api/analytics") for _ in range(8)]
        assert {instance(answer) for answer in answers} == BOTH
        return {answer.json()["totals"]["graded"] for answer in answers}

    (of_all,), (own,) = graded(manager), graded(rep)
    graded_call(site, rep)
    assert (graded(manager), graded(rep)) == ({of_all + 1}, {own + 1})


# ---- Redis away ---------------------------------------------------------------------------------


def test_redis_stopped_under_load_is_no_error_and_limits_hold_per_instance(
    site: Platform, manager: httpx2.Client, with_key: httpx2.Client
) -> None:
    stop, answers = threading.Event(), []

    def read_on() -> None:
        while not stop.is_set():
            answers.append(manager.get("/api/analytics"))

    readers = [threading.Thread(target=read_on) for _ in range(6)]
    for reader in readers:
        reader.start()
    try:
        site.bundle.kill("valkey", signal.SIGSTOP)
        time.sleep(0.1)
        under_load = len(answers)
        counted: list[httpx2.Response] = []
        with ThreadPoolExecutor(20) as pool:

            def ask_until_both_refuse() -> bool:
                counted.extend(pool.map(lambda _: with_key.get("/api/sessions"), range(40)))
                return {instance(answer) for answer in counted if answer.is_error} == BOTH

            eventually(ask_until_both_refuse)
        eventually(lambda: len(answers) > under_load + 20)
    finally:
        site.bundle.kill("valkey", signal.SIGCONT)
        stop.set()
        for reader in readers:
            reader.join()
    assert Counter(answer.status_code for answer in answers) == {200: len(answers)}
    assert {answer.status_code for answer in counted} == {200, 429}
    let_in = Counter(instance(answer) for answer in counted if answer.status_code == 200)
    assert let_in == dict.fromkeys(BOTH, KEY_QUOTA)


def test_redis_killed_under_load_is_no_error_and_counts_again_when_it_is_back(
    site: Platform, manager: httpx2.Client
) -> None:
    answers: list[httpx2.Response] = []
    for number in range(60):
        if number == 10:
            site.bundle.kill("valkey")
        answers.append(manager.get("/api/analytics"))
    assert {answer.status_code for answer in answers} == {200}
    eventually(lambda: manager.get("/api/health").json()["components"]["redis"]["status"] == "up")
