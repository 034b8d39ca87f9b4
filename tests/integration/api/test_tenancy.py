"""Every operation of the API, called by one organisation with what is another's."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.support.people import Team
from tests.support.tenancy import Call, Case, Outcome, essence, mentioned, nobodys
from tests.support.tenancy_cases import CASES
from tests.support.tenant import Tenant
from tests.support.tenant_rows import digest_of, ids_of, rows_of

from clozone.web.guard import API_KEY_HEADER
from clozone.web.identity import Role

Operations = dict[str, dict[str, Any]]

CALLS = [
    (operation, case, call, f"{operation}-{number}".replace("/api/", "").replace("/", ":"))
    for operation, case in CASES.items()
    for number, call in enumerate(case.calls)
]
each_call = pytest.mark.parametrize(
    ("operation", "case", "call"),
    [pytest.param(operation, case, call, id=name) for operation, case, call, name in CALLS],
)
each_answer_of_ours = pytest.mark.parametrize(
    ("operation", "case", "call"),
    [
        pytest.param(operation, case, call, id=name)
        for operation, case, call, name in CALLS
        if operation.startswith("GET") and call.outcome is Outcome.OURS
    ],
)


def test_every_operation_has_a_case_and_every_case_an_operation(operations: Operations) -> None:
    assert set(CASES) == set(operations)


def test_every_field_that_can_name_something_is_tried_with_theirs(
    document: dict[str, Any], operations: Operations
) -> None:
    for name in CASES.keys() & operations.keys():
        tried = set().union(*(call.names_theirs() for call in CASES[name].calls))
        assert _naming_fields(operations[name], document) - tried == set(), name


def test_both_organisations_have_rows_in_every_table(ours: Tenant, theirs: Tenant) -> None:
    for tenant in (ours, theirs):
        assert [table for table, rows in rows_of(tenant.org_id).items() if not rows] == []


@each_call
def test_nothing_of_another_organisation_is_reached(
    operation: str, case: Case, call: Call, ours: Tenant, theirs: Tenant, calling: Any
) -> None:
    their_rows, their_ids = digest_of(theirs.org_id), ids_of(theirs.org_id)
    our_rows = digest_of(ours.org_id)
    for client, role in _callers(case, ours, calling):
        answer = call.send(client, operation, ours.facts, theirs.facts)

        assert digest_of(theirs.org_id) == their_rows, role
        if case.least is not None and not role.at_least(case.least):
            assert answer.status_code == 403
        if call.outcome is Outcome.HIDDEN:
            nobody = nobodys(theirs.facts)
            unknown = call.send(client, operation, ours.facts, nobody)
            assert answer.status_code in (403, 404), role
            assert (answer.status_code == 403) == (not role.at_least(case.least or Role.rep)), role
            assert essence(answer, theirs.facts) == essence(unknown, nobody), role
            assert digest_of(ours.org_id) == our_rows, "a refusal leaves no trace"
            continue
        assert mentioned(theirs, their_ids, answer.text) == set(), role
        if answer.status_code == 403:
            continue
        if call.outcome is Outcome.REFUSED:
            assert answer.status_code == call.status, role
            assert digest_of(ours.org_id) == our_rows, "a refusal leaves no trace"
        else:
            assert answer.is_success, (role, answer.text)
        if call.outcome is Outcome.EMPTY:
            assert answer.json()["items"] == [], role


@each_call
def test_the_same_call_serves_its_own_organisation(
    operation: str, case: Case, call: Call, ours: Tenant, calling: Any
) -> None:
    role = call.own_role or case.least
    client = calling(ours, role) if role else calling()

    answer = call.send(client, operation, ours.facts, ours.facts)

    assert answer.status_code == call.own_status or answer.is_success, answer.text
    if answer.is_success and call.shows and answer.content:
        assert mentioned(ours, ids_of(ours.org_id), answer.text)


@each_answer_of_ours
def test_an_answer_to_one_organisation_is_not_given_to_the_next(
    operation: str, case: Case, call: Call, ours: Tenant, theirs: Tenant, calling: Any
) -> None:
    role = Role.admin if case.least else None
    for asker in (theirs, ours):  # whose answer may be kept, and the next
        answer = call.send(calling(asker, role), operation, asker.facts, asker.facts)
        assert answer.is_success
    assert mentioned(theirs, ids_of(theirs.org_id), answer.text) == set()


def test_figures_count_the_sessions_of_ones_own_organisation(theirs: Tenant, calling: Any) -> None:
    for asker, sessions in ((theirs, 1), (Team(), 0)):
        answer = calling(asker, Role.manager).get("/api/analytics").json()

        assert answer["totals"]["sessions"] == sessions
        assert sum(day["sessions"] for day in answer["by_day"]) == sessions


def _callers(case: Case, ours: Tenant, calling: Any) -> Iterator[tuple[httpx2.Client, Role]]:
    """One caller of each role, and an API key that may do everything."""
    roles = list(Role) if case.least else [Role.admin]
    for role in roles:
        yield calling(ours, role), role
    if case.least:
        yield calling(headers={API_KEY_HEADER: ours.facts["api_key_text"]}), Role.admin


def _naming_fields(operation: dict[str, Any], document: dict[str, Any]) -> set[str]:
    """Path parameters, query fields and body fields that hold an id or a cursor."""
    fields = {p["name"]: p["schema"] for p in operation.get("parameters", [])}
    if "requestBody" in operation:
        fields |= _properties(operation["requestBody"]["content"], document)
    return {name for name, schema in fields.items() if name == "cursor" or _is_id(schema)}


def _properties(part: Any, document: dict[str, Any]) -> dict[str, Any]:
    """The properties of every object that a schema describes, at any depth."""
    found: dict[str, Any] = {}
    if isinstance(part, list):
        for value in part:
            found |= _properties(value, document)
    elif isinstance(part, dict):
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            found |= _properties(document["components"]["schemas"][name], document)
        found |= part.get("properties", {})
        for value in part.values():
            found |= _properties(value, document)
    return found


def _is_id(schema: dict[str, Any]) -> bool:
    options = [schema, *schema.get("anyOf", [])]
    return any(option.get("format") == "uuid" for option in options)
