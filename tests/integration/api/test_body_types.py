"""A body's values are of the types that the document promises, or the request is refused."""

from typing import Any

import pytest
from tests.support.tenant import Tenant

from clozone.web.identity import Role


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PATCH", "/api/sessions/{session}", {"submitted_for_review": 0}, "submitted_for_review"),
        ("PATCH", "/api/sessions/{session}", {"closed": "yes"}, "closed"),
        ("PATCH", "/api/users/{rep}", {"active": "off"}, "active"),
        ("PATCH", "/api/assignments/{assignment}", {"target_score": False}, "target_score"),
        ("PATCH", "/api/assignments/{assignment}", {"target_score": "70"}, "target_score"),
        ("PATCH", "/api/assignments/{assignment}", {"due_at": 4_000_000_000}, "due_at"),
    ],
)
def test_a_value_of_another_type_is_not_taken_for_what_it_might_mean(
    ours: Tenant, calling: Any, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    client = calling(ours, Role.admin)

    answer = client.request(method, path.format_map(ours.facts), json=body)

    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_times_and_ids_are_given_as_text(ours: Tenant, calling: Any) -> None:
    body = {
        "template_id": ours.facts["template"],
        "user_id": ours.facts["rep"],
        "due_at": "2030-01-31T09:00:00+01:00",
        "target_score": 70,
    }

    answer = calling(ours, Role.admin).post("/api/assignments", json=body)

    assert answer.json()["due_at"] == "2030-01-31T08:00:00.000Z"
