"""The API against its own document: schemathesis calls every operation with generated requests.

What is generated is fixed, so a failure comes again. `CLOZONE_FUZZ_EXAMPLES` and
`CLOZONE_FUZZ_SEED` ask for more, and for other ones.

Every operation is called. What is not looked at, and why:

- What a webhook may contain: its body is Vapi's and not described here, so it is called without
  one, which is refused; the inbox has tests of the rest.
- The schema of an event stream: OpenAPI 3.1 describes the stream as one text, which schemathesis
  takes for the form of each event. Status and content type are looked at.
- Calls without credentials: `test_api_access.py` makes them, once for each operation.
- Streams without an end: sessions that exist have ended, so their streams do too, and the grading
  of a transcript is asked for without `Accept: text/event-stream`.
"""

import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from schemathesis.checks import CHECKS
from tests.support.tenancy_cases import RUBRIC
from tests.support.tenant import Tenant

from clozone.accounts.tokens import AccessTokens
from clozone.app import create_app
from clozone.settings import Settings
from clozone.web.identity import Role
from clozone.web.openapi import openapi_document
from clozone.web.sse import MEDIA_TYPE

EXAMPLES = int(os.environ.get("CLOZONE_FUZZ_EXAMPLES", "8"))
SEED = int(os.environ.get("CLOZONE_FUZZ_SEED", "1"))
SECONDS = 30
WEBHOOKS = "POST /api/webhooks/vapi"
# A generated id names nothing; about half of them are exchanged for one that does.
NAMED = {
    "assignment_id": "assignment",
    "delivery_id": "delivery",
    "endpoint_id": "endpoint",
    "export_id": "export",
    "job_id": "job",
    "key_id": "api_key",
    "session_id": "session",
    "template_id": "template",
    "user_id": "rep",
}
# What proves who signs in.
PROOFS = {"email": "email", "password": "password", "refresh_token": "refresh_token"}
SIGN_IN = "/api/auth/"
# A schema cannot say that weights sum to 100, or whether a cursor is one of ours: hence 422.
RIGHT_ANSWERS = ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "429"]

DOCUMENT = openapi_document(create_app(Settings()), title="API", version="1", description="")


def _schema() -> Any:
    schema = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config(seed=SEED))
    schema.config.generation.update(
        deterministic=SEED == 1, max_examples=EXAMPLES, with_security_parameters=False
    )
    checks = schema.config.checks
    checks.positive_data_acceptance.expected_statuses = RIGHT_ANSWERS
    checks.negative_data_rejection.expected_statuses = REFUSALS
    checks.ignored_auth.enabled = False
    return schema


schema = _schema()
Caller = Callable[[str], tuple[Tenant, dict[str, str]]]


@pytest.fixture(scope="module")
def caller(environment: dict[str, str], settings: Settings, platform_db: None) -> Caller:
    """An organisation of its own for each operation, and the headers of its administrator."""
    tenants: dict[str, Tenant] = {}
    tokens = AccessTokens(settings)

    def caller(operation: str) -> tuple[Tenant, dict[str, str]]:
        if operation not in tenants:
            tenants[operation] = Tenant("a password of the fuzzer")
        tenant = tenants[operation]
        token = tokens.issue(tenant.people[Role.admin], tenant.org_id, Role.admin)
        return tenant, {
            "Authorization": f"Bearer {token}",
            "X-Vapi-Secret": environment["VAPI_WEBHOOK_SECRET"],
        }

    return caller


def test_the_document_is_the_one_that_is_served(document: dict[str, Any]) -> None:
    described = ("paths", "components", "tags")

    assert {part: document[part] for part in described} == {
        part: DOCUMENT[part] for part in described
    }


@schema.parametrize()  # type: ignore[untyped-decorator]
def test_the_api_keeps_to_its_document(case: Any, web: str, caller: Caller) -> None:
    tenant, headers = caller(case.operation.label)
    for part in (case.path_parameters, case.query, case.body):
        _name_what_exists(part, tenant)
    if isinstance(case.body, dict) and case.meta.generation.mode.is_positive:
        _make_right(case.body, case.operation.path, tenant)

    answer = case.call(base_url=web, headers=headers, timeout=SECONDS)

    excluded = []
    if (answer.headers.get("content-type") or [""])[0].startswith(MEDIA_TYPE):
        excluded.append(CHECKS.get_one("response_schema_conformance"))
    if case.operation.label == WEBHOOKS:
        excluded.append(CHECKS.get_one("positive_data_acceptance"))
    case.validate_response(
        answer, headers=headers, excluded_checks=excluded, transport_kwargs={"timeout": SECONDS}
    )


def _name_what_exists(part: Any, tenant: Tenant) -> None:
    if not isinstance(part, dict):
        return
    for name in NAMED.keys() & part.keys():
        generated = _id(part[name])
        if generated is not None and generated.int % 2:
            part[name] = tenant.facts[NAMED[name]]


def _make_right(body: dict[str, Any], path: str, tenant: Tenant) -> None:
    """What a schema cannot tell, without which a request gets no further than its validation."""
    if path.startswith(SIGN_IN):
        body.update({name: tenant.facts[PROOFS[name]] for name in body})
    if body.get("rubric"):
        body["rubric"] = RUBRIC
        body.pop("template_id", None)


def _id(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        return None
