"""The fast lane and the routes give the same answers to the same questions."""

from typing import Any

import httpx2
import pytest
from tests.support.practice import Practice

# A field that makes the fast lane decline, and means nothing to the routes.
USUAL_WAY = {"Range": "bytes=0-"}
PATHS = ("/api/analytics", "/api/analytics/users", "/api/analytics/templates")
OWN = {"date", "x-request-id", "ratelimit"}


def both(client: httpx2.Client, path: str, **asked: Any) -> tuple[httpx2.Response, httpx2.Response]:
    headers = asked.pop("headers", {})
    first = client.get(path, headers=headers, **asked)
    return first, client.get(path, headers=headers | USUAL_WAY, **asked)


def by_the_lane(answer: httpx2.Response) -> bool:
    """Hypercorn writes the names of fields in lower case, the fast lane as they are spelled."""
    return any(name == b"ETag" for name, _ in answer.headers.raw)


def fields(answer: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OWN}


def same(one: httpx2.Response, other: httpx2.Response) -> None:
    assert one.status_code == other.status_code
    assert one.content == other.content
    assert fields(one) == fields(other)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", ["identity", "gzip", "gzip;q=0", "br, *;q=0.1", ""])
def test_the_same_answer_both_ways(
    manager: httpx2.Client, practice: Practice, path: str, encoding: str
) -> None:
    practice.graded(80)
    practice.graded(40, user_id=practice.other_rep)
    lane, route = both(manager, path, headers={"Accept-Encoding": encoding})
    assert by_the_lane(lane)
    assert not by_the_lane(route)
    same(lane, route)
    known = {"If-None-Match": lane.headers["ETag"], "Accept-Encoding": encoding}
    lane, route = both(manager, path, headers=known)
    assert lane.status_code == 304
    assert by_the_lane(lane)
    same(lane, route)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/analytics", "period=7d"),
        ("/api/analytics", "period=90d"),
        ("/api/analytics/users", "limit=1"),
        ("/api/analytics/users", "limit=100&period=90d"),
        ("/api/analytics/templates", "period=7d&limit=2"),
    ],
)
def test_questions_of_every_kind(
    manager: httpx2.Client, practice: Practice, path: str, query: str
) -> None:
    practice.graded(80)
    practice.graded(40, user_id=practice.other_rep)
    lane, route = both(manager, f"{path}?{query}")
    assert by_the_lane(lane)
    same(lane, route)


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/analytics", "period=1y", 422),
        ("/api/analytics", "period=", 422),
        ("/api/analytics", "period=30d&period=7d", 422),
        ("/api/analytics", "limit=5", 422),
        ("/api/analytics", "period=30%64", 200),
        ("/api/analytics/users", "limit=0", 422),
        ("/api/analytics/users", "limit=101", 422),
        ("/api/analytics/users", "limit=999999999999999999999", 422),
        ("/api/analytics/users", "limit=-1", 422),
        ("/api/analytics/users", "limit=05", 200),
        ("/api/analytics/users", "?limit=5", 422),
        ("/api/analytics/templates", "&", 200),
    ],
)
def test_odd_questions_are_left_to_the_routes(
    manager: httpx2.Client, path: str, query: str, status: int
) -> None:
    lane, route = both(manager, f"{path}?{query}")
    assert lane.status_code == route.status_code == status
    assert not by_the_lane(lane)


def test_a_rep_sees_their_own_and_not_the_ranking_of_people(
    rep: httpx2.Client, manager: httpx2.Client, practice: Practice
) -> None:
    practice.graded(80)
    practice.graded(40, user_id=practice.other_rep)
    for path in (PATHS[0], PATHS[2]):
        lane, route = both(rep, path)
        assert by_the_lane(lane)
        same(lane, route)
        assert lane.content != manager.get(path).content
    lane, route = both(rep, PATHS[1])
    assert lane.status_code == route.status_code == 403
    assert lane.json()["code"] == "forbidden"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic eDp5", "bearer {}", "Bearer {}x"]
)
def test_credentials_of_every_kind(
    web: str, manager: httpx2.Client, practice: Practice, authorization: str
) -> None:
    token = manager.headers["Authorization"].partition(" ")[2]
    sent = {"Authorization": authorization.format(token)}
    with httpx2.Client(base_url=web, trust_env=False) as client:
        lane, route = both(client, PATHS[0], headers=sent)
    assert lane.status_code == route.status_code
    assert (lane.status_code == 200) == (authorization == "bearer {}")


def test_hits_of_both_ways_count_together(manager: httpx2.Client, practice: Practice) -> None:
    remaining = []
    for answer in (*both(manager, PATHS[0]), *both(manager, PATHS[0])):
        figures = dict(part.split("=") for part in answer.headers["RateLimit"].split(";")[1:])
        remaining.append(int(figures["r"]))
    assert remaining == list(range(remaining[0], remaining[0] - 4, -1))
