from datetime import UTC, datetime, timedelta

import pytest
from tests.support.practice import Practice

from clozone.kit.clock import now
from clozone.kit.ids import new_id

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def ids(client, **query):
    answer = client.get("/api/sessions", params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def walk(client, **query):
    found, cursor = [], None
    while True:
        page = client.get("/api/sessions", params=query | ({"cursor": cursor} if cursor else {}))
        assert page.status_code == 200
        found.append([item["id"] for item in page.json()["items"]])
        cursor = page.json()["next_cursor"]
        if cursor is None:
            return found


def test_an_item_says_what_counts(rep, practice):
    session_id = practice.session(created_at=NOON)
    practice.change(session_id, duration_seconds=61.5, started_at=NOON, ended_at=NOON, closed=True)
    practice.grade(session_id, 64)
    practice.override(session_id, 75)
    (item,) = rep.get("/api/sessions").json()["items"]
    assert item == {
        "id": str(session_id),
        "status": "completed",
        "not_gradable_reason": None,
        "user_id": str(practice.rep),
        "user_name": "Ravi Iyer",
        "template_id": str(practice.templates[0]),
        "template_name": "Template 1",
        "assignment_id": None,
        "score": 75,
        "ai_score": 64,
        "passed": True,
        "duration_seconds": 61.5,
        "closed": True,
        "submitted_for_review": False,
        "started_at": "2026-03-10T12:00:00.000Z",
        "ended_at": "2026-03-10T12:00:00.000Z",
        "created_at": "2026-03-10T12:00:00.000Z",
    }


def test_an_item_without_a_grade_has_no_score(rep, practice):
    practice.change(practice.session(template=None), status="not_gradable")
    (item,) = rep.get("/api/sessions").json()["items"]
    assert [item[name] for name in ("score", "ai_score", "passed", "template_name")] == [None] * 4


def test_reps_see_their_own_and_managers_all(rep, manager, practice):
    mine = practice.session()
    other = practice.session(practice.other_rep)
    Practice().session()
    assert ids(rep) == [str(mine)]
    assert set(ids(manager)) == {str(mine), str(other)}
    assert ids(rep, user_id=practice.other_rep) == []
    assert ids(manager, user_id=practice.other_rep) == [str(other)]


def test_deleted_sessions_are_not_listed(manager, practice):
    practice.change(practice.session(), deleted_at=now())
    assert ids(manager) == []


def test_pages_follow_one_another_newest_first(manager, practice):
    # Pairs of the same time: the id decides, and no page drops or repeats one.
    made = [practice.session(created_at=NOON + timedelta(seconds=n // 2)) for n in range(9)]
    expected = [str(session_id) for session_id in reversed(made)]
    pages = walk(manager, limit=2)
    assert [len(page) for page in pages] == [2, 2, 2, 2, 1]
    assert [session_id for page in pages for session_id in page] == expected
    assert walk(manager, limit=9) == [expected]


def test_a_session_that_arrives_meanwhile_shifts_no_page(manager, practice):
    made = [practice.session(created_at=NOON + timedelta(seconds=n)) for n in range(4)]
    first = manager.get("/api/sessions", params={"limit": 2}).json()
    practice.session(created_at=NOON + timedelta(hours=1))
    rest = ids(manager, limit=2, cursor=first["next_cursor"])
    assert rest == [str(made[1]), str(made[0])]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "completed"},
        {"template_id": "template"},
        {"assignment_id": "assignment"},
        {"closed": "true"},
        {"submitted_for_review": "true"},
        {"from": "2026-03-11"},
        {"from": "2026-03-10T12:00:00.000001Z"},
        {"from": "2026-03-11T13:00:00+01:00", "to": "2026-03-11"},
    ],
)
def test_each_filter_finds_the_one_that_differs(manager, practice, query):
    assignment = practice.assignment(practice.rep, template=1)
    wanted = practice.session(
        created_at=NOON + timedelta(days=1), template=1, assignment_id=assignment
    )
    practice.change(wanted, closed=True, submitted_for_review=True)
    practice.grade(wanted, 70)
    practice.session(created_at=NOON)
    names = {"template": practice.templates[1], "assignment": assignment}
    assert ids(manager, **{key: names.get(value, value) for key, value in query.items()}) == [
        str(wanted)
    ]


def test_closed_false_means_that_someone_said_so(manager, practice):
    lost = practice.session()
    practice.change(lost, closed=False)
    practice.session()
    assert ids(manager, closed="false") == [str(lost)]


def test_a_date_includes_its_day_and_a_time_is_exclusive(manager, practice):
    day = datetime(2026, 3, 10, tzinfo=UTC)
    first = practice.session(created_at=day)
    last = practice.session(created_at=day + timedelta(days=1, microseconds=-1))
    practice.session(created_at=day + timedelta(days=1))
    practice.session(created_at=day - timedelta(microseconds=1))
    assert ids(manager, **{"from": "2026-03-10", "to": "2026-03-10"}) == [str(last), str(first)]
    times = {"from": "2026-03-10T00:00:00Z", "to": "2026-03-11T00:00:00Z"}
    assert ids(manager, **times) == [str(last), str(first)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "9" * 30}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "x" * 500}, "cursor"),
        ({"status": "done"}, "status"),
        ({"user_id": "7"}, "user_id"),
        ({"closed": "perhaps"}, "closed"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "2026-03-10T12:00:00"}, "from"),
        ({"to": "9999-12-31"}, "to"),
        ({"to": "0001-01-01T00:00:00+14:00"}, "to"),
        ({"from": "2026-03-11", "to": "2026-03-09"}, ""),
        ({"form": "2026-03-10"}, "form"),
        ({"created_from": "2026-03-10"}, "created_from"),
        ({"status": ["pending", "failed"]}, "status"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(manager, query, field):
    answer = manager.get("/api/sessions", params=query)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_another_lists_cursor_is_refused(manager, practice):
    for _ in range(2):
        practice.session()
    cursor = manager.get("/api/sessions", params={"limit": 1}).json()["next_cursor"]
    answer = manager.get("/api/users", params={"cursor": cursor})
    assert answer.status_code == 422


def test_a_cursor_of_another_organisation_shows_none_of_its_rows(manager, practice, client_of):
    theirs = Practice()
    for _ in range(3):
        theirs.session()
    foreign = client_of(theirs, theirs.manager)
    cursor = foreign.get("/api/sessions", params={"limit": 1}).json()["next_cursor"]
    mine = practice.session(created_at=NOON)
    assert ids(manager, cursor=cursor) == [str(mine)]


def test_filters_for_what_another_organisation_has_find_nothing(manager):
    theirs = Practice()
    theirs.session()
    assert ids(manager, user_id=theirs.rep) == []
    assert ids(manager, template_id=theirs.templates[0]) == []
    assert ids(manager, assignment_id=new_id()) == []
