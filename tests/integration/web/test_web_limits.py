import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from clozone.infra.rate_limit import RateLimiter
from clozone.infra.redis import sync_redis

REP = {"Authorization": "Bearer rep"}
MANAGER = {"Authorization": "Bearer manager"}
RATE_LIMIT = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')


def statuses(site, path, count, headers=None, method="GET"):
    return [site.client.request(method, path, headers=headers).status_code for _ in range(count)]


def test_exactly_the_quota_passes_however_many_clients_ask_at_once(start):
    site = start(rate_limit_user="20 per minute")

    def ask(_: int) -> int:
        return site.client.get("/api/things", headers=REP).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(50)))
    assert (answers.count(200), answers.count(429)) == (20, 30)


def test_exactly_the_quota_passes_however_many_instances_count(make_settings):
    async def main() -> list[bool]:
        limiters = [RateLimiter(make_settings(rate_limit_user="20 per minute")) for _ in range(3)]
        hits = [limiters[number % 3].hit("user", "somebody") for number in range(60)]
        try:
            return [decision.allowed for decision in await asyncio.gather(*hits)]
        finally:
            for limiter in limiters:
                await limiter.close()

    assert asyncio.run(main()).count(True) == 20


def test_the_headers_count_down_and_the_refusal_names_the_policy(start):
    site = start(rate_limit_api="2 per minute")
    first, second, third = (site.client.get("/api/things/public") for _ in range(3))
    assert first.headers["ratelimit-policy"] == '"api";q=2;w=60'
    assert [RATE_LIMIT.fullmatch(r.headers["ratelimit"])[2] for r in (first, second, third)] == [
        *("1", "0", "0")
    ]
    assert third.status_code == 429
    body = third.json()
    assert (body["code"], body["policy"]) == ("rate_limited", "api")
    wait = int(third.headers["retry-after"])
    assert 1 <= wait <= 60
    assert RATE_LIMIT.fullmatch(third.headers["ratelimit"])[3] == str(wait)


def test_addresses_are_counted_apart_and_a_claimed_one_is_not_believed(start):
    site = start(rate_limit_api="1 per minute")

    def ask(forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return site.client.get("/api/things/public", headers=headers).status_code

    assert ask("203.0.113.1") == 200
    assert ask("203.0.113.2") == 200
    assert ask("6.6.6.6, 203.0.113.1") == 429
    assert ask("2001:db8:0:ff00::1") == 200
    assert ask("2001:db8:0:ff01::1") == 429


def test_callers_have_their_own_quota_wherever_they_call_from(start):
    site = start(rate_limit_user="1 per minute", rate_limit_api="5 per minute")
    assert statuses(site, "/api/things", 2, REP) == [200, 429]
    assert statuses(site, "/api/things", 1, MANAGER) == [200]
    assert statuses(site, "/api/things/public", 1) == [200]


def test_guessing_tokens_is_limited_by_address(start):
    site = start(rate_limit_credentials="2 per minute")
    guesses = [
        site.client.get("/api/things", headers={"Authorization": f"Bearer {n}"}).status_code
        for n in range(3)
    ]
    assert guesses == [401, 401, 429]
    assert statuses(site, "/api/things", 1, REP) == [200]


@pytest.mark.parametrize("path, method", [("/api/things", "GET"), ("/api/things/grade", "POST")])
def test_a_stale_tab_keeps_nobody_of_its_office_from_signing_in(start, path, method):
    site = start(
        rate_limit_api="3 per minute",
        rate_limit_credentials="2 per minute",
        rate_limit_strict="1 per minute",
    )
    stale = {"Authorization": "Bearer too-old"}
    answers = [site.client.request(method, path, headers=stale) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401, 401, 429, 429, 429]
    assert [RATE_LIMIT.fullmatch(answer.headers["ratelimit"])[2] for answer in answers] == [
        *("1", "0", "0", "0", "0")
    ]
    assert answers[0].headers["ratelimit-policy"] == '"credentials";q=2;w=60'
    assert answers[-1].json()["policy"] == "credentials"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    # What signing in is counted under, by the same address, is all there still.
    public = [site.client.get("/api/things/public") for _ in range(4)]
    assert [answer.status_code for answer in public] == [200, 200, 200, 429]
    assert public[0].headers["ratelimit-policy"] == '"api";q=3;w=60'
    assert statuses(site, "/api/things/grade", 1, REP, "POST") == [202]


def test_refused_credentials_have_the_quota_of_the_api_unless_told_otherwise(start):
    site = start(rate_limit_api="2 per minute")
    answer = site.client.get("/api/things", headers={"Authorization": "Bearer 0"})
    assert answer.headers["ratelimit-policy"] == '"credentials";q=2;w=60'


def test_grading_on_demand_is_strict(start):
    site = start(rate_limit_strict="1 per minute", rate_limit_strict_user="2 per minute")
    assert statuses(site, "/api/things/grade", 3, REP, "POST") == [202, 202, 429]
    assert statuses(site, "/api/things", 1, REP) == [200]


def test_asking_for_grading_without_credentials_is_stricter(start):
    site = start(rate_limit_strict="2 per minute")
    answers = [site.client.post("/api/things/grade") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[0].headers["ratelimit-policy"] == '"strict";q=2;w=60'
    assert answers[-1].json()["policy"] == "strict"
    # The quotas of the address for anything else, and of its people, are all there still.
    assert statuses(site, "/api/things/public", 1) == [200]
    assert statuses(site, "/api/things/grade", 1, REP, "POST") == [202]


def test_api_keys_have_a_policy_of_their_own(start):
    site = start(rate_limit_key="1 per minute")
    key = {"X-API-Key": "writing-key"}
    answers = [site.client.get("/api/things", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"key";q=1;w=60'
    graded = site.client.post("/api/things/grade", headers=key)
    assert graded.headers["ratelimit-policy"].startswith('"strict_user";')
    assert statuses(site, "/api/things", 1, REP) == [200]


def test_health_is_never_limited(start):
    site = start(rate_limit_api="1 per minute")
    response = [site.client.get("/api/health/live") for _ in range(5)][-1]
    assert response.status_code == 200
    assert "ratelimit" not in response.headers


def test_without_redis_each_process_counts_for_itself(start):
    site = start(rate_limit_user="2 per minute", redis_url="redis://127.0.0.1:1/0")
    response = site.client.get("/api/things", headers=REP)
    assert response.headers["ratelimit-policy"] == '"user";q=2;w=60'
    assert statuses(site, "/api/things", 2, REP) == [200, 429]


def test_a_wiped_redis_forgets_and_nothing_breaks(start, servers, forget_limits):
    site = start(rate_limit_user="1 per minute")
    assert statuses(site, "/api/things", 2, REP) == [200, 429]
    forget_limits()
    sync_redis(servers["redis_url"]).script_flush()
    assert statuses(site, "/api/things", 2, REP) == [200, 429]


@pytest.fixture
def limiter_run(make_settings):
    """Runs a scenario with a limiter of 2 logins a minute."""

    def run(scenario):
        async def main():
            limiter = RateLimiter(make_settings(rate_limit_login="2 per minute"))
            try:
                return await scenario(limiter)
            finally:
                await limiter.close()

        return asyncio.run(main())

    return run


def test_peeking_does_not_count_and_reset_forgets(limiter_run):
    async def scenario(limiter: RateLimiter) -> list[bool]:
        seen = [(await limiter.peek("login", "a")).allowed for _ in range(5)]
        seen += [(await limiter.hit("login", "a")).allowed for _ in range(3)]
        seen.append((await limiter.peek("login", "a")).allowed)
        seen.append((await limiter.peek("login", "b")).allowed)
        await limiter.reset("login", "a")
        seen.append((await limiter.hit("login", "a")).allowed)
        return seen

    assert limiter_run(scenario) == [*[True] * 5, True, True, False, False, True, True]


def test_an_address_has_five_times_the_logins_of_an_account(limiter_run):
    async def scenario(limiter: RateLimiter) -> tuple[int, int]:
        return limiter.policies["login"].quota, limiter.policies["login_address"].quota

    assert limiter_run(scenario) == (2, 10)
