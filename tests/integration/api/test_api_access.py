"""Who may call which operation: credentials, roles and the scopes of API keys."""

from typing import Any

import jwt
import pytest
from tests.support.tenancy import Case
from tests.support.tenancy_cases import CASES
from tests.support.tenant import Tenant

from clozone.accounts.tokens import ALGORITHM, AccessTokens
from clozone.settings import Settings
from clozone.web.guard import API_KEY_HEADER
from clozone.web.identity import Role

SCOPES = {"read", "write", "admin"}
PROTECTED = {operation: case for operation, case in CASES.items() if case.least is not None}
each_protected = pytest.mark.parametrize(
    ("operation", "case"), PROTECTED.items(), ids=[name.replace("/", ":") for name in PROTECTED]
)


@pytest.fixture(scope="module")
def team(platform_db: None) -> Tenant:
    return Tenant("a password of the team")


def test_the_document_says_which_operations_are_public(
    operations: dict[str, dict[str, Any]],
) -> None:
    needs_credentials: list[Any] = [{"bearer": []}, {"apiKey": []}]

    assert {name: bool(operation["security"]) for name, operation in operations.items()} == {
        name: case.least is not None for name, case in CASES.items()
    }
    assert all(o["security"] in ([], needs_credentials) for o in operations.values())


@each_protected
def test_without_credentials_that_hold_nothing_is_answered(
    operation: str, case: Case, team: Tenant, calling: Any, settings: Settings
) -> None:
    signed = AccessTokens(settings).issue(team.people[Role.admin], team.org_id, Role.admin)
    claims = jwt.decode(signed, options={"verify_signature": False})
    forged = jwt.encode(claims, "a secret that we never made, of full length", ALGORITHM)
    unsigned = jwt.encode(claims, "", "none")
    attempts = {
        "unauthenticated": calling(),
        "token_expired": calling(team, Role.admin, lifetime_seconds=-60),
        "forged": calling(headers={"Authorization": f"Bearer {forged}"}),
        "unsigned": calling(headers={"Authorization": f"Bearer {unsigned}"}),
        "no token": calling(headers={"Authorization": "Bearer"}),
        "no key of ours": calling(headers={API_KEY_HEADER: "cz_00000000_nothing"}),
        "refresh token": calling(
            headers={"Authorization": f"Bearer {team.facts['refresh_token']}"}
        ),
    }
    for name, client in attempts.items():
        answer = case.calls[0].send(client, operation, team.facts, team.facts)

        expected = name if name in ("unauthenticated", "token_expired") else "invalid_token"
        assert (answer.status_code, answer.json()["code"]) == (401, expected), name
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), name
        assert answer.headers["Content-Type"] == "application/problem+json"


@each_protected
def test_roles_below_the_least_are_refused(
    operation: str, case: Case, team: Tenant, calling: Any
) -> None:
    for role in Role:
        if case.least is None or role.at_least(case.least):
            continue
        answer = case.calls[0].send(calling(team, role), operation, team.facts, team.facts)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), role


@each_protected
def test_an_api_key_needs_the_scope_of_the_operation(
    operation: str, case: Case, team: Tenant, calling: Any
) -> None:
    key = team.api_key(sorted(SCOPES - {case.scope}))
    client = calling(headers={API_KEY_HEADER: key})

    answer = case.calls[0].send(client, operation, team.facts, team.facts)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert case.scope in answer.json()["detail"]


@each_protected
def test_an_api_key_has_the_role_it_was_given(
    operation: str, case: Case, team: Tenant, calling: Any
) -> None:
    if case.least is Role.rep:
        return
    client = calling(headers={API_KEY_HEADER: team.api_key(sorted(SCOPES), Role.rep)})

    answer = case.calls[0].send(client, operation, team.facts, team.facts)

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
