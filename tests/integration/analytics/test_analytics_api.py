import time
from datetime import timedelta

import pytest
from tests.support.practice import Practice

from clozone.infra.cache_answer import pack
from clozone.infra.cache_version import VERSION_BYTES
from clozone.infra.redis import sync_redis
from clozone.kit.clock import now


def totals(client, **query):
    answer = client.get("/api/analytics", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["totals"]


def test_a_manager_sees_the_organisation_and_a_rep_their_own(manager, rep, practice):
    practice.graded(90)
    practice.graded(40, user_id=practice.other_rep)
    assert totals(manager)["average_score"] == 65
    assert totals(rep)["average_score"] == 90


@pytest.mark.parametrize(("period", "days"), [("7d", 7), ("30d", 30), ("90d", 90)])
def test_a_period_is_given_day_by_day(manager, practice, period, days):
    practice.graded(80)
    practice.graded(60, created_at=now() - timedelta(days=days))
    found = manager.get("/api/analytics", params={"period": period}).json()
    today = now().date()
    assert (found["period"], found["to"]) == (period, today.isoformat())
    assert found["from"] == (today - timedelta(days=days - 1)).isoformat()
    assert len(found["by_day"]) == days
    assert found["by_day"][-1]["average_score"] == 80
    assert found["previous"]["average_score"] == 60


def test_the_period_is_a_month_unless_said_otherwise(manager):
    assert manager.get("/api/analytics").json()["period"] == "30d"


def test_a_grade_that_lands_is_in_the_next_read(manager, practice):
    session_id = practice.graded(40)
    assert totals(manager)["average_score"] == 40
    practice.override(session_id, 90)
    assert totals(manager)["average_score"] == 90
    practice.graded(70)
    assert totals(manager)["graded"] == 2
    manager.delete(f"/api/sessions/{session_id}")
    assert totals(manager)["average_score"] == 70


def test_a_kept_answer_asks_the_database_nothing(manager, practice, settings):
    practice.graded(40)
    plain = {"Accept-Encoding": "identity"}
    manager.get("/api/analytics", headers=plain)
    (key,) = [
        key
        for key in sync_redis(settings.cache_url).scan_iter(f"*{practice.org_id}*")
        if b"report" in key
    ]
    redis = sync_redis(settings.cache_url)
    version = redis.get(key)[:VERSION_BYTES]
    redis.set(key, pack(version, time.time() + 60, b'{"totals":{"average_score":41}}'))
    after = manager.get("/api/analytics", headers=plain)
    assert after.json()["totals"]["average_score"] == 41


@pytest.mark.parametrize("path", ["", "/users", "/templates"])
def test_an_answer_the_client_has_is_not_sent_again(manager, practice, path):
    practice.graded(40)
    first = manager.get(f"/api/analytics{path}")
    assert first.headers["Cache-Control"] == "private, no-cache"
    for sent in (
        first.headers["ETag"],
        f"W/{first.headers['ETag']}",
        f'"other", {first.headers["ETag"]}',
        "*",
    ):
        again = manager.get(f"/api/analytics{path}", headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
    practice.graded(50)
    changed = manager.get(f"/api/analytics{path}", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_people_are_ranked_for_managers_only(manager, rep, practice):
    practice.graded(40)
    practice.graded(80, user_id=practice.other_rep)
    found = manager.get("/api/analytics/users", params={"limit": 1}).json()
    assert [(item["rank"], item["user_name"]) for item in found["items"]] == [(1, "Olga Sand")]
    assert found["has_more"] is True
    assert rep.get("/api/analytics/users").status_code == 403


def test_templates_are_ranked_for_the_organisation_or_for_oneself(manager, rep, practice):
    practice.graded(40)
    practice.graded(80, user_id=practice.other_rep, template=1)
    names = [
        [item["template_name"] for item in client.get("/api/analytics/templates").json()["items"]]
        for client in (manager, rep)
    ]
    assert names == [["Template 2", "Template 1"], ["Template 1"]]


def test_nothing_of_another_organisation_shows(practice, client_of):
    theirs = Practice()
    theirs.graded(90)
    for path in ("", "/users", "/templates"):
        # In this order, so that what is kept for the one could be shown to the other.
        full = client_of(theirs, theirs.manager).get(f"/api/analytics{path}").json()
        empty = client_of(practice, practice.manager).get(f"/api/analytics{path}").json()
        assert full.get("items", [full.get("totals")])[0]["graded"] == 1
        assert empty.get("items") == [] or empty["totals"]["graded"] == 0


@pytest.mark.parametrize(
    "query",
    [{"period": "365d"}, {"period": ""}, {"period": ["7d", "30d"]}, {"days": "7"}, {"limit": "5"}],
)
def test_a_query_that_makes_no_sense_is_refused(manager, query):
    assert manager.get("/api/analytics", params=query).status_code == 422


@pytest.mark.parametrize("limit", ["0", "101", "many"])
def test_a_ranking_has_a_limit(manager, limit):
    assert manager.get("/api/analytics/users", params={"limit": limit}).status_code == 422
