"""A case for each operation of the API: how another organisation's things could be reached by it."""

from collections.abc import Mapping
from typing import Any

from tests.support.tenancy import Call, Case, NewEmail, Ours, Outcome, Theirs

from clozone.web.identity import Role

ADMIN, MANAGER, REP = Role.admin, Role.manager, Role.rep
RUBRIC = {
    "pass_score": 70,
    "criteria": [{"key": "opening", "name": "Opening", "kind": "yes_no", "weight": 100}],
}


def reading(least: Role | None, *calls: Call) -> Case:
    """An operation that an API key with `read` may call."""
    return Case(least, calls, "read")


def writing(least: Role | None, *calls: Call) -> Case:
    """An operation that needs `write`."""
    return Case(least, calls, "write")


def administering(least: Role, *calls: Call) -> Case:
    """An operation that needs `admin`."""
    return Case(least, calls, "admin")


def hidden(
    *, own_role: Role | None = None, path: Mapping[str, Any] | None = None, body: Any = None
) -> Call:
    """Something of theirs is asked for and must seem not to exist."""
    return Call(Outcome.HIDDEN, path or {}, body=body, own_role=own_role)


def filtered(field: str, fact: str) -> Call:
    """A list is filtered by something of theirs."""
    return Call(Outcome.EMPTY, query={field: Theirs(fact)})


def ours(*, shows: bool = True, body: Any = None, **query: Any) -> Call:
    """Nothing of theirs is asked for, or only the place in a list that their cursor stands for."""
    return Call(Outcome.OURS, query=query, body=body, shows=shows)


def after(name: str) -> Call:
    """A list is read on from a place in theirs."""
    return ours(shows=False, cursor=Theirs(f"{name}_cursor"))


def refused(status: int, own_status: int | None, body: Any) -> Call:
    """Something that is not an id of theirs is tried."""
    return Call(Outcome.REFUSED, body=body, status=status, own_status=own_status)


SESSION = {"session_id": Theirs("session")}
TEMPLATE = {"template_id": Theirs("template")}
ASSIGNMENT = {"assignment_id": Theirs("assignment")}
PERSON = {"user_id": Theirs("rep")}
ENDPOINT = {"endpoint_id": Theirs("endpoint")}
DELIVERY = {"delivery_id": Theirs("delivery")}

CASES: dict[str, Case] = {
    "GET /api/health": reading(None, ours(shows=False)),
    "GET /api/health/live": reading(None, ours(shows=False)),
    "GET /api/health/ready": reading(None, ours(shows=False)),
    "POST /api/auth/login": writing(
        None, refused(401, None, {"email": Theirs("email"), "password": Ours("password")})
    ),
    "POST /api/auth/refresh": writing(None, ours(body={"refresh_token": Ours("refresh_token")})),
    "POST /api/auth/logout": writing(
        None, ours(shows=False, body={"refresh_token": Ours("refresh_token")})
    ),
    "GET /api/auth/me": reading(REP, ours()),
    "GET /api/users": reading(REP, ours(), after("users"), ours(shows=False, search="rep")),
    # Sign-in knows no organisation, so an address is taken in all of them; nothing more is told.
    "POST /api/users": administering(
        MANAGER,
        refused(409, 409, {"email": Theirs("email"), "full_name": "Ann", "role": "rep"}),
        ours(body={"email": NewEmail(), "full_name": "Ann", "role": "rep"}),
    ),
    "GET /api/users/{user_id}": reading(REP, hidden(path=PERSON)),
    "PATCH /api/users/{user_id}": administering(
        REP, hidden(path=PERSON, body={"full_name": "Taken over"})
    ),
    "POST /api/users/{user_id}/password": administering(
        REP, hidden(path=PERSON, body={"password": "taken over by us"}, own_role=MANAGER)
    ),
    "GET /api/api-keys": administering(ADMIN, ours(), after("api-keys")),
    "POST /api/api-keys": administering(
        ADMIN, ours(body={"name": "Ours", "role": "rep", "scopes": ["read"]})
    ),
    "DELETE /api/api-keys/{key_id}": administering(
        ADMIN, hidden(path={"key_id": Theirs("api_key")})
    ),
    "GET /api/templates": reading(
        REP, ours(), after("templates"), filtered("created_by", "manager")
    ),
    "POST /api/templates": writing(
        MANAGER, ours(body={"name": "Ours", "scenario": "A buyer.", "rubric": RUBRIC})
    ),
    "GET /api/templates/{template_id}": reading(REP, hidden(path=TEMPLATE)),
    "PATCH /api/templates/{template_id}": writing(
        MANAGER, hidden(path=TEMPLATE, body={"name": "Taken over"})
    ),
    "POST /api/templates/{template_id}/archive": writing(MANAGER, hidden(path=TEMPLATE)),
    "POST /api/templates/{template_id}/restore": writing(MANAGER, hidden(path=TEMPLATE)),
    "GET /api/assignments": reading(
        REP,
        ours(),
        after("assignments"),
        filtered("user_id", "rep"),
        filtered("template_id", "template"),
    ),
    "POST /api/assignments": writing(
        MANAGER,
        hidden(body={**TEMPLATE, "user_id": Ours("rep")}),
        hidden(body={"template_id": Ours("template"), **PERSON}),
        hidden(body={**TEMPLATE, **PERSON}),
    ),
    "GET /api/assignments/{assignment_id}": reading(REP, hidden(path=ASSIGNMENT)),
    "PATCH /api/assignments/{assignment_id}": writing(
        MANAGER, hidden(path=ASSIGNMENT, body={"title": "Taken over"})
    ),
    "POST /api/assignments/{assignment_id}/archive": writing(MANAGER, hidden(path=ASSIGNMENT)),
    "POST /api/assignments/{assignment_id}/restore": writing(MANAGER, hidden(path=ASSIGNMENT)),
    "GET /api/sessions": reading(
        REP,
        ours(),
        after("sessions"),
        filtered("user_id", "rep"),
        filtered("template_id", "template"),
        filtered("assignment_id", "assignment"),
    ),
    "POST /api/sessions": writing(
        REP,
        hidden(body=TEMPLATE),
        hidden(body={"template_id": Ours("template"), **ASSIGNMENT}),
        hidden(body={**TEMPLATE, **ASSIGNMENT}),
    ),
    "GET /api/sessions/{session_id}": reading(REP, hidden(path=SESSION)),
    "GET /api/sessions/{session_id}/events": reading(REP, hidden(path=SESSION)),
    "GET /api/sessions/{session_id}/recording": reading(REP, hidden(path=SESSION)),
    "PATCH /api/sessions/{session_id}": writing(REP, hidden(path=SESSION, body={"closed": True})),
    "DELETE /api/sessions/{session_id}": writing(MANAGER, hidden(path=SESSION)),
    "GET /api/sessions/{session_id}/exports": reading(
        REP,
        hidden(path=SESSION),
        Call(
            Outcome.OURS,
            path={"session_id": Ours("session")},
            query={"cursor": Theirs("exports_cursor")},
            shows=False,
        ),
    ),
    "POST /api/sessions/{session_id}/exports": writing(REP, hidden(path=SESSION)),
    "POST /api/sessions/{session_id}/review": writing(
        MANAGER, hidden(path=SESSION, body={"comment": "Taken over", "override_score": 0})
    ),
    "GET /api/exports/{export_id}": reading(REP, hidden(path={"export_id": Theirs("export")})),
    "GET /api/analytics": reading(REP, ours(shows=False)),
    "GET /api/analytics/users": reading(MANAGER, ours()),
    "GET /api/analytics/templates": reading(REP, ours()),
    "POST /api/analytics/grade-transcript": writing(
        REP,
        hidden(body={"transcript": "User: Hello", **TEMPLATE}),
        ours(shows=False, body={"transcript": "User: Hello", "rubric": RUBRIC}),
    ),
    "GET /api/notification-endpoints": administering(
        ADMIN, ours(), after("notification-endpoints")
    ),
    "POST /api/notification-endpoints": administering(
        ADMIN, ours(body={"url": "https://8.8.8.8/ours", "events": ["export.ready"]})
    ),
    "GET /api/notification-endpoints/{endpoint_id}": administering(ADMIN, hidden(path=ENDPOINT)),
    "PATCH /api/notification-endpoints/{endpoint_id}": administering(
        ADMIN, hidden(path=ENDPOINT, body={"description": "Taken over"})
    ),
    "DELETE /api/notification-endpoints/{endpoint_id}": administering(ADMIN, hidden(path=ENDPOINT)),
    "POST /api/notification-endpoints/{endpoint_id}/rotate-secret": administering(
        ADMIN, hidden(path=ENDPOINT, body={"grace_seconds": 0})
    ),
    "POST /api/notification-endpoints/{endpoint_id}/test": administering(
        ADMIN, hidden(path=ENDPOINT)
    ),
    "GET /api/notification-endpoints/{endpoint_id}/deliveries": administering(
        ADMIN,
        hidden(path=ENDPOINT),
        Call(
            Outcome.OURS,
            path={"endpoint_id": Ours("endpoint")},
            query={"cursor": Theirs("notification-deliveries_cursor")},
            shows=False,
        ),
    ),
    "GET /api/notification-deliveries/{delivery_id}": administering(ADMIN, hidden(path=DELIVERY)),
    "POST /api/notification-deliveries/{delivery_id}/redeliver": administering(
        ADMIN, hidden(path=DELIVERY)
    ),
    "GET /api/jobs/{job_id}": reading(REP, hidden(path={"job_id": Theirs("job")})),
    # Vapi proves itself by its secret; a token of whatever organisation is no proof.
    "POST /api/webhooks/vapi": writing(
        None,
        refused(
            401,
            401,
            {
                "message": {
                    "type": "status-update",
                    "status": "in-progress",
                    "call": {"id": Theirs("session"), "metadata": {**SESSION, **PERSON}},
                }
            },
        ),
    ),
}
