import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from tests.support.people import SignIn, Team
from training_requests import everything, made_template

from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import iso, now
from clozone.models.training import Assignment
from clozone.training.repository import assignments

TOMORROW = iso(now() + timedelta(days=1))


@pytest.fixture
def manager(team: Team, sign_in: SignIn) -> httpx2.Client:
    return sign_in(team, "manager")


@pytest.fixture
def rep(team: Team, sign_in: SignIn) -> httpx2.Client:
    return sign_in(team, "rep")


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """What peewee sends meanwhile, from its log."""
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(str(record.msg))  # type: ignore[method-assign]
    log = logging.getLogger("peewee")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        yield seen
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def assign(manager: httpx2.Client, team: Team, **fields: object) -> httpx2.Response:
    body = {"user_id": str(team.people["rep"]), **fields}
    if "template_id" not in body:
        body["template_id"] = made_template(manager)["id"]
    return manager.post("/api/assignments", json=body)


def test_an_assignment_comes_with_the_names_to_show(team, manager, rep):
    fields = {"instructions": "Twice.", "due_at": TOMORROW, "target_score": 80}
    answer = assign(manager, team, title="This week", **fields)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["title"], made["template_name"], made["user_name"]) == (
        "This week",
        "Discovery",
        "A Rep",
    )
    assert (made["instructions"], made["target_score"]) == ("Twice.", 80)
    assert made["created_by"] == str(team.people["manager"])
    assert rep.get(f"/api/assignments/{made['id']}").json() == made
    assert everything(rep, "/api/assignments") == [made]
    assert team.audited()[-1] == ("assignment.created", "user")


def test_without_a_title_it_is_called_like_the_template(team, manager):
    assert assign(manager, team).json()["title"] == "Discovery"


def test_reps_see_theirs_and_managers_the_organisation(team, manager, rep, sign_in):
    colleague = team.add("rep")
    mine = assign(manager, team).json()
    other = assign(manager, team, user_id=str(colleague)).json()
    assert [item["id"] for item in everything(rep, "/api/assignments")] == [mine["id"]]
    assert everything(rep, "/api/assignments", user_id=str(colleague)) == []
    assert rep.get(f"/api/assignments/{other['id']}").status_code == 404
    ids = [item["id"] for item in everything(manager, "/api/assignments")]
    assert ids == [other["id"], mine["id"]]


def test_reps_do_not_write(team, manager, rep):
    made = assign(manager, team).json()
    path = f"/api/assignments/{made['id']}"
    body = {"template_id": made["template_id"], "user_id": str(team.people["rep"])}
    answers = [
        rep.post("/api/assignments", json=body),
        rep.patch(path, json={"title": "None"}),
        rep.post(f"{path}/archive"),
        rep.post(f"{path}/restore"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert rep.get(path).json() == made


def test_template_and_person_must_be_of_the_organisation(team, other_team, manager, sign_in):
    foreign_template = made_template(sign_in(other_team, "manager"))["id"]
    foreign_person = str(other_team.people["rep"])
    answers = [
        assign(manager, team, template_id=foreign_template),
        assign(manager, team, template_id=str(uuid4())),
        assign(manager, team, user_id=foreign_person),
        assign(manager, team, user_id=str(uuid4())),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    for of in (team, other_team):
        with unit_of_work(Scope.tenant(of.org_id)):
            assert Assignment.select().count() == 0


def test_template_and_person_must_be_in_use(team, manager):
    template_id = made_template(manager)["id"]
    manager.post(f"/api/templates/{template_id}/archive")
    gone = str(team.add("rep", active=False))
    answers = [assign(manager, team, template_id=template_id), assign(manager, team, user_id=gone)]
    assert [answer.status_code for answer in answers] == [409] * 2
    assert everything(manager, "/api/assignments") == []


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"due_at": "2020-01-01T00:00:00Z"}, "due_at"),
        ({"due_at": "2100-01-01T00:00:00"}, "due_at"),
        ({"due_at": "9999-12-31T23:59:59-12:00"}, "due_at"),
        ({"due_at": "0001-01-01T00:00:00+12:00"}, "due_at"),
        ({"target_score": 101}, "target_score"),
        ({"target_score": -1}, "target_score"),
        ({"title": ""}, "title"),
        ({"user_id": "me"}, "user_id"),
        ({"priority": 1}, "priority"),
    ],
)
def test_what_does_not_fit_is_named(team, manager, fields, field):
    answer = assign(manager, team, **fields)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_changes_touch_what_was_sent_and_no_more(team, manager):
    made = assign(manager, team, due_at=TOMORROW, target_score=80).json()
    path = f"/api/assignments/{made['id']}"
    changed = manager.patch(path, json={"title": "New", "due_at": None}).json()
    assert (changed["title"], changed["due_at"], changed["target_score"]) == ("New", None, 80)
    assert manager.patch(path, json={}).json() == changed
    assert manager.patch(path, json={"title": None}).status_code == 422
    assert manager.patch(path, json={"due_at": "2020-01-01T00:00:00Z"}).status_code == 422
    assert manager.patch(path, json={"user_id": str(uuid4())}).status_code == 422
    assert [action for action, _ in team.audited()].count("assignment.changed") == 1


def test_a_due_time_that_has_passed_can_be_sent_back_unchanged(team, manager):
    made = assign(manager, team, due_at=TOMORROW).json()
    passed = now() - timedelta(days=1)
    with unit_of_work(Scope.tenant(team.org_id)):
        Assignment.update(due_at=passed).execute()
    path = f"/api/assignments/{made['id']}"
    change = {"title": "Late", "due_at": passed.isoformat()}
    assert manager.patch(path, json=change).json()["title"] == "Late"


def test_archived_assignments_leave_the_list_and_come_back(team, manager, rep):
    made = assign(manager, team).json()
    path = f"/api/assignments/{made['id']}"
    archived = manager.post(f"{path}/archive").json()
    assert archived["archived_at"] is not None
    assert manager.post(f"{path}/archive").json() == archived
    assert everything(rep, "/api/assignments") == []
    assert everything(rep, "/api/assignments", archived=True) == [archived]
    assert manager.patch(path, json={"title": "X"}).status_code == 409
    assert manager.post(f"{path}/restore").json()["archived_at"] is None
    assert len(everything(rep, "/api/assignments")) == 1


def test_filters_and_pages_go_together(team, manager):
    colleague = str(team.add("rep"))
    template_id = made_template(manager)["id"]
    wanted = [
        assign(manager, team, template_id=template_id, user_id=colleague).json()["id"]
        for _ in range(3)
    ]
    assign(manager, team, template_id=template_id)
    assign(manager, team, user_id=colleague)
    query = {"template_id": template_id, "user_id": colleague, "limit": 2}
    listed = everything(manager, "/api/assignments", **query)
    assert [item["id"] for item in listed] == wanted[::-1]


def test_another_organisations_assignment_is_not_there(team, manager, other_team, sign_in):
    made = assign(manager, team).json()
    foreign, path = sign_in(other_team, "admin"), f"/api/assignments/{made['id']}"
    answers = [
        foreign.get(path),
        foreign.patch(path, json={"title": "Taken"}),
        foreign.post(f"{path}/archive"),
        foreign.post(f"{path}/restore"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert everything(foreign, "/api/assignments") == []
    query = {"user_id": str(team.people["rep"]), "template_id": made["template_id"]}
    assert everything(foreign, "/api/assignments", **query) == []
    assert manager.get(path).json() == made


def test_a_list_takes_one_statement_however_long_it_is(team, manager, platform_db):
    template_id = made_template(manager)["id"]
    for _ in range(3):
        assign(manager, team, template_id=template_id)
    with unit_of_work(Scope.tenant(team.org_id)), counted_statements() as statements:
        rows = assignments.page(None, 10, user_id=None, template_id=None, archived=False)
        names = {(row.template.name, row.user.full_name) for row in rows}
    assert (len(rows), names) == (3, {("Discovery", "A Rep")})
    assert len(statements) == 1
