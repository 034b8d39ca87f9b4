from uuid import UUID

from tests.support.practice import Practice

from clozone.infra.postgres import unit_of_work
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.training import Rubric, Template, TrainingSession


def start(client, **body):
    return client.post("/api/sessions", json={key: str(value) for key, value in body.items()})


def change_template(practice, **fields):
    with unit_of_work(practice.scope):
        Template.update(**fields).where(Template.id == practice.templates[0]).execute()


def test_the_answer_has_what_the_browser_needs(rep, practice):
    change_template(practice, first_message="Make it quick.", vapi_assistant_id="asst-1")
    answer = start(rep, template_id=practice.templates[0])
    assert answer.status_code == 201
    body = answer.json()
    metadata = {
        "session_id": body["id"],
        "org_id": str(practice.org_id),
        "user_id": str(practice.rep),
        "template_id": str(practice.templates[0]),
        "assignment_id": None,
    }
    assert body["status"] == "pending"
    assert body["vapi"] == {
        "public_key": None,
        "assistant_id": "asst-1",
        "assistant_overrides": {
            "metadata": metadata,
            "variableValues": {
                "scenario": "A buyer in a hurry.",
                "template_name": "Template 1",
            },
            "firstMessage": "Make it quick.",
        },
        "metadata": metadata,
    }


def test_a_first_message_that_is_not_set_overrides_nothing(rep, practice):
    overrides = start(rep, template_id=practice.templates[0]).json()["vapi"]["assistant_overrides"]
    assert "firstMessage" not in overrides


def test_the_rubric_is_frozen(rep, practice):
    session_id = UUID(start(rep, template_id=practice.templates[0]).json()["id"])
    newer = new_id()
    with unit_of_work(practice.scope):
        Rubric.create(
            id=newer,
            org_id=practice.org_id,
            template_id=practice.templates[0],
            version=2,
            body={"pass_score": 10},
            content_hash=b"",
        )
    change_template(practice, rubric_id=newer)
    with unit_of_work(practice.scope):
        session = TrainingSession.get_by_id(session_id)
    assert session.rubric_id == practice.rubrics[0]
    assert (session.user_id, session.status) == (practice.rep, "pending")


def test_an_assignment_of_ones_own_is_taken_along(rep, practice):
    assignment_id = practice.assignment(practice.rep)
    answer = start(rep, template_id=practice.templates[0], assignment_id=assignment_id)
    assert answer.status_code == 201
    assert answer.json()["vapi"]["metadata"]["assignment_id"] == str(assignment_id)
    (item,) = rep.get("/api/sessions").json()["items"]
    assert item["assignment_id"] == str(assignment_id)


def test_somebody_elses_assignment_is_not_there(rep, manager, practice):
    assignment_id = practice.assignment(practice.other_rep)
    for client in (rep, manager):
        answer = start(client, template_id=practice.templates[0], assignment_id=assignment_id)
        assert answer.status_code == 404


def test_an_assignment_must_fit_the_template(rep, practice):
    assignment_id = practice.assignment(practice.rep, template=1)
    answer = start(rep, template_id=practice.templates[0], assignment_id=assignment_id)
    assert answer.status_code == 409
    assert "another template" in answer.json()["detail"]


def test_what_is_archived_is_not_practised(rep, practice):
    assignment_id = practice.assignment(practice.rep, archived_at=now())
    answer = start(rep, template_id=practice.templates[0], assignment_id=assignment_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "assignment is archived" in answer.json()["detail"]
    change_template(practice, archived_at=now())
    answer = start(rep, template_id=practice.templates[0])
    assert answer.status_code == 409
    assert "template is archived" in answer.json()["detail"]


def test_another_organisations_things_are_not_there(rep):
    theirs = Practice()
    assert start(rep, template_id=theirs.templates[0]).status_code == 404
    assert start(rep, template_id=new_id()).status_code == 404


def test_another_organisations_assignment_is_not_there(rep, practice):
    theirs = Practice()
    answer = start(
        rep, template_id=practice.templates[0], assignment_id=theirs.assignment(theirs.rep)
    )
    assert answer.status_code == 404


def test_unknown_fields_and_broken_ids_are_refused(rep, practice):
    answer = start(rep, template_id=practice.templates[0], user_id=practice.other_rep)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "user_id")
    assert start(rep, template_id="7").status_code == 422
    assert start(rep).status_code == 422
