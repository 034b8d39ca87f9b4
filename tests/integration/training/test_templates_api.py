from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy

import httpx2
import pytest
from peewee import DatabaseError
from tests.support.people import SignIn, Team
from training_requests import everything, made_template, rubric, template

from clozone.infra.postgres import Scope, unit_of_work
from clozone.models.training import Rubric


@pytest.fixture
def manager(team: Team, sign_in: SignIn) -> httpx2.Client:
    return sign_in(team, "manager")


def versions(team: Team, template_id: str) -> list[tuple[int, int]]:
    """(version, pass score) of every rubric kept, oldest first."""
    with unit_of_work(Scope.tenant(team.org_id)):
        rows = Rubric.select().where(Rubric.template_id == template_id).order_by(Rubric.version)
        return [(row.version, row.body["pass_score"]) for row in rows]


def test_a_template_is_made_with_the_first_version_of_its_rubric(team, manager, sign_in):
    made = made_template(manager, description="  First call ", vapi_assistant_id="asst_1")
    assert made["rubric_version"] == 1
    assert made["description"] == "First call"
    assert made["created_by"] == str(team.people["manager"])
    assert made["rubric"]["criteria"][0]["items"][0]["key"] == "budget"
    read = sign_in(team, "rep").get(f"/api/templates/{made['id']}").json()
    assert read == made
    assert team.audited() == [("template.created", "user")]


def test_another_rubric_is_the_next_version_and_the_former_stays(team, manager):
    made = made_template(manager)
    path = f"/api/templates/{made['id']}"
    changed = manager.patch(path, json={"rubric": rubric(80)}).json()
    assert (changed["rubric_version"], changed["rubric"]["pass_score"]) == (2, 80)
    assert changed["rubric_id"] != made["rubric_id"]
    again = manager.patch(path, json={"rubric": rubric(70), "name": "Renamed"}).json()
    assert (again["rubric_version"], again["name"]) == (3, "Renamed")
    assert versions(team, made["id"]) == [(1, 70), (2, 80), (3, 70)]


def test_the_same_rubric_is_no_new_version(team, manager):
    made = made_template(manager)
    path = f"/api/templates/{made['id']}"
    same = manager.patch(path, json={"rubric": made["rubric"], "name": made["name"]}).json()
    assert same == made
    renamed = manager.patch(path, json={"name": "Renamed"}).json()
    assert renamed["rubric_id"] == made["rubric_id"]
    assert versions(team, made["id"]) == [(1, 70)]
    assert team.audited() == [("template.created", "user"), ("template.changed", "user")]


def test_rubric_versions_made_at_once_are_numbered_in_turn(team, manager):
    path = f"/api/templates/{made_template(manager)['id']}"
    with ThreadPoolExecutor(4) as editors:
        changes = [{"rubric": rubric(score)} for score in (10, 20, 30, 40)]
        answers = list(editors.map(lambda change: manager.patch(path, json=change), changes))
    assert [answer.status_code for answer in answers] == [200] * 4
    kept = versions(team, path.rpartition("/")[2])
    assert [version for version, _ in kept] == [1, 2, 3, 4, 5]
    assert sorted(score for _, score in kept) == [10, 20, 30, 40, 70]


def test_a_rubric_cannot_be_rewritten(team, manager):
    made = made_template(manager)
    with (
        pytest.raises(DatabaseError, match="do not change"),
        unit_of_work(Scope.tenant(team.org_id)),
    ):
        Rubric.update(version=9).where(Rubric.id == made["rubric_id"]).execute()


def broken(change) -> dict[str, object]:
    body = deepcopy(template())
    change(body)
    return body


@pytest.mark.parametrize(
    "change, field, message",
    [
        (lambda b: b.pop("rubric"), "rubric", "is required"),
        (lambda b: b.update(scenario=" "), "scenario", "at least 1 character"),
        (lambda b: b.update(owner="me"), "owner", "is not a known field"),
        (lambda b: b["rubric"]["criteria"][1].update(weight=50), "rubric", "sum to 100"),
        (lambda b: b["rubric"]["criteria"][1].update(key="discovery"), "rubric", "unique"),
        (lambda b: b["rubric"].update(criteria=[]), "rubric.criteria", "at least 1"),
        (lambda b: b["rubric"]["criteria"][0].update(kind="magic"), "rubric.criteria[0]", "kind"),
        (lambda b: b["rubric"].update(pass_score=101), "rubric.pass_score", "100"),
    ],
)
def test_a_rubric_that_does_not_fit_is_explained(team, manager, change, field, message):
    answer = manager.post("/api/templates", json=broken(change))
    assert answer.status_code == 422
    finding = answer.json()["errors"][0]
    assert finding["field"] == field
    assert message in finding["message"]
    assert team.audited() == []


def test_the_item_that_does_not_fit_is_found_by_its_path(manager):
    body = template()
    body["rubric"]["criteria"][0]["items"][0]["key"] = "Not A Key"
    finding = manager.post("/api/templates", json=body).json()["errors"][0]
    assert finding["field"].startswith("rubric.criteria[0]")
    assert finding["field"].endswith("items[0].key")


@pytest.mark.parametrize("field", ["name", "description", "scenario", "first_message", "rubric"])
def test_null_is_not_a_value(manager, field):
    path = f"/api/templates/{made_template(manager)['id']}"
    assert manager.patch(path, json={field: None}).status_code == 422


def test_an_assistant_can_be_taken_away_again(manager):
    path = f"/api/templates/{made_template(manager, vapi_assistant_id='asst')['id']}"
    assert manager.patch(path, json={"name": "Kept"}).json()["vapi_assistant_id"] == "asst"
    assert manager.patch(path, json={"vapi_assistant_id": None}).json()["vapi_assistant_id"] is None


def test_archived_templates_leave_the_list_and_come_back(team, manager):
    made = made_template(manager)
    path = f"/api/templates/{made['id']}"
    archived = manager.post(f"{path}/archive").json()
    assert archived["archived_at"] is not None
    assert manager.post(f"{path}/archive").json() == archived
    assert everything(manager, "/api/templates") == []
    assert [item["id"] for item in everything(manager, "/api/templates", archived=True)] == [
        made["id"]
    ]
    assert manager.get(path).json() == archived
    assert manager.patch(path, json={"name": "X"}).status_code == 409
    assert manager.post(f"{path}/restore").json()["archived_at"] is None
    assert len(everything(manager, "/api/templates")) == 1
    actions = [action for action, _ in team.audited()]
    assert actions == ["template.created", "template.archived", "template.restored"]


def test_the_list_is_paged_newest_first_and_shows_the_version(manager):
    made = [made_template(manager, name=f"Template {number}") for number in range(5)]
    manager.patch(f"/api/templates/{made[0]['id']}", json={"rubric": rubric(90)})
    listed = everything(manager, "/api/templates", limit=2)
    assert [item["id"] for item in listed] == [item["id"] for item in reversed(made)]
    assert [item["rubric_version"] for item in listed] == [1, 1, 1, 1, 2]
    assert "rubric" not in listed[0]


def test_the_list_can_be_one_persons(team, manager, sign_in):
    mine = made_template(manager)["id"]
    made_template(sign_in(team, "admin"))
    listed = everything(manager, "/api/templates", created_by=str(team.people["manager"]))
    assert [item["id"] for item in listed] == [mine]
    assert len(everything(manager, "/api/templates")) == 2


def test_reps_read_and_do_not_write(team, manager, sign_in):
    rep, path = sign_in(team, "rep"), f"/api/templates/{made_template(manager)['id']}"
    assert len(everything(rep, "/api/templates")) == 1
    answers = [
        rep.post("/api/templates", json=template()),
        rep.patch(path, json={"name": "Mine"}),
        rep.post(f"{path}/archive"),
        rep.post(f"{path}/restore"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert manager.get(path).json()["name"] == "Discovery"


def test_another_organisations_template_is_not_there(manager, other_team, sign_in):
    made = made_template(manager)
    foreign, path = sign_in(other_team, "admin"), f"/api/templates/{made['id']}"
    answers = [
        foreign.get(path),
        foreign.patch(path, json={"name": "Taken", "rubric": rubric(1)}),
        foreign.post(f"{path}/archive"),
        foreign.post(f"{path}/restore"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert everything(foreign, "/api/templates") == []
    assert manager.get(path).json() == made


@pytest.mark.parametrize("template_id", ["0199e4f0-0000-7000-8000-00000000000a", "not-an-id"])
def test_what_is_not_there_is_not_found(manager, template_id):
    assert manager.get(f"/api/templates/{template_id}").status_code == 404


def test_a_cursor_of_another_list_is_refused(team, manager):
    made_template(manager)
    made_template(manager)
    users = manager.get("/api/users", params={"limit": 1}).json()["next_cursor"]
    answer = manager.get("/api/templates", params={"cursor": users})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")
