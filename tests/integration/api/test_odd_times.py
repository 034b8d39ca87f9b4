"""Times at the ends of the calendar."""

from typing import Any

import pytest
from tests.support.tenant import Tenant

from clozone.web.identity import Role

FIRST, LAST = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"


@pytest.mark.parametrize("moment", [FIRST, LAST])
@pytest.mark.parametrize(
    ("method", "path", "field", "rest"),
    [
        ("PATCH", "/api/assignments/{assignment}", "due_at", {}),
        ("POST", "/api/api-keys", "expires_at", {"name": "x", "role": "rep", "scopes": ["read"]}),
    ],
)
def test_a_time_that_no_calendar_can_show_is_refused(
    ours: Tenant,
    calling: Any,
    moment: str,
    method: str,
    path: str,
    field: str,
    rest: dict[str, Any],
) -> None:
    client = calling(ours, Role.admin)

    answer = client.request(method, path.format_map(ours.facts), json={field: moment, **rest})

    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("moment", [FIRST, LAST, "0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("field", ["from", "to"])
def test_a_list_takes_or_refuses_any_time(
    ours: Tenant, calling: Any, moment: str, field: str
) -> None:
    answer = calling(ours, Role.admin).get("/api/sessions", params={field: moment})

    assert answer.status_code in (200, 422)
