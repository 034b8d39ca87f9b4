"""The document as served: complete enough to write a client from, and sound."""

import re
from collections.abc import Iterator
from typing import Any

from tests.support.tenancy_cases import CASES

Operations = dict[str, dict[str, Any]]

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_every_operation_says_what_it_does_and_who_may_call_it(operations: Operations) -> None:
    for name, operation in operations.items():
        summary, text = operation["summary"], operation["description"]

        assert re.fullmatch(r"[A-Z][^\n]*[^.\s]", summary), name
        assert len(summary) <= 90, name
        least = CASES[name].least
        told = f"Needs the role `{least}` or a higher one" if least else "Public."
        assert told in text, name
        assert isinstance(operation["security"], list), name


def test_every_operation_has_an_id_of_its_own_and_one_declared_tag(
    operations: Operations, document: dict[str, Any]
) -> None:
    ids = [operation["operationId"] for operation in operations.values()]
    tags = {tag["name"] for tag in document["tags"]}

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]+", each) for each in ids)
    assert all(len(operation["tags"]) == 1 for operation in operations.values())
    assert {operation["tags"][0] for operation in operations.values()} == tags


def test_every_refusal_is_a_problem_document(operations: Operations) -> None:
    for name, operation in operations.items():
        responses = operation["responses"]
        refusals = {status for status in responses if status >= "400"}
        if name == "GET /api/health":
            refusals -= {"503"}  # the report says what is away

        assert all(responses[status]["content"] == PROBLEM for status in refusals), name
        assert any(status < "400" for status in responses), name
        assert all(response["description"] for response in responses.values()), name


def test_who_must_sign_in_may_be_refused(operations: Operations) -> None:
    for name, operation in operations.items():
        if operation["security"]:
            assert {"401", "403", "429"} <= set(operation["responses"]), name


def test_every_path_parameter_is_declared_and_required(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = {
                parameter["name"]
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "path" and parameter["required"]
            }
            assert declared == set(re.findall(r"{(\w+)}", path)), path


def test_every_reference_leads_somewhere_and_nothing_described_is_unused(
    document: dict[str, Any],
) -> None:
    references = set(_references(document))
    components = document["components"]

    for reference in references:
        _, section, kind, name = reference.split("/")
        assert section == "components", reference
        assert name in components[kind], reference
    used = {reference.rpartition("/")[2] for reference in references}
    assert set(components["schemas"]) - used == set()


def test_requests_refuse_unknown_fields_by_their_schema(
    operations: Operations, document: dict[str, Any]
) -> None:
    for name, operation in operations.items():
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]["schema"]
            schema = document["components"]["schemas"][content["$ref"].rpartition("/")[2]]
            assert schema["additionalProperties"] is False, name


def test_the_document_says_what_it_is(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"]["title"] == "Clozone API"
    assert document["info"]["version"]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)
