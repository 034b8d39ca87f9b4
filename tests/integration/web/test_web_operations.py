import logging
import uuid

import orjson
import pytest
from dummy_api import ORG
from loguru import logger

from clozone.infra.logging import configure_logging

REP = {"Authorization": "Bearer rep"}
MANAGER = {"Authorization": "Bearer manager"}
ID = "0199e4f0-0000-7000-8000-000000000001"


def problem(response, status, code):
    body = response.json()
    assert response.status_code == status, body
    assert response.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["code"] == code
    assert body["request_id"] == response.headers["x-request-id"]
    return body


def test_the_answer_is_what_the_document_promises_and_no_more(site):
    response = site.client.post("/api/things", json={"name": "a"}, headers=REP)
    assert response.status_code == 201
    assert response.json() == {"name": "a", "made": "2026-11-24T08:00:00.000Z", "note": None}
    assert response.headers["location"] == "/api/things/1"
    assert response.headers["x-clozone-instance"] == "web-1"
    assert response.headers["cache-control"] == "no-store"


def test_no_content_has_no_body(site):
    response = site.client.delete(f"/api/things/{ID}", headers=REP)
    assert (response.status_code, response.content) == (204, b"")


def test_query_fields_reach_the_handler_typed(site):
    response = site.client.get("/api/things?limit=7&tag=a&tag=b", headers=REP)
    assert response.json() == ["7", "a", "b", str(ORG)]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}, {"X-API-Key": "bad"}])
def test_without_valid_credentials_nothing_but_401(site, headers):
    response = site.client.post("/api/things", json={"unknown": 1}, headers=headers)
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_lower_role_is_refused(site):
    body = problem(site.client.get(f"/api/things/{ID}", headers=REP), 403, "forbidden")
    assert "manager" in body["detail"]
    assert site.client.get(f"/api/things/{ID}", headers=MANAGER).json()["name"] == ID


def test_an_api_key_may_do_what_its_scopes_say(site):
    key = {"X-API-Key": "reading-key"}
    assert site.client.get("/api/things", headers=key).status_code == 200
    body = problem(
        site.client.post("/api/things", json={"name": "a"}, headers=key), 403, "forbidden"
    )
    assert "write" in body["detail"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"name": ', {"Content-Type": "application/json"}, 400, "bad_request"),
        (b"\xff\xfe", {"Content-Type": "application/json"}, 400, "bad_request"),
        (b"", {"Content-Type": "application/json"}, 400, "bad_request"),
        (b"name=a", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"name": "a"}', {}, 415, "unsupported_media_type"),
        (b"[]", {"Content-Type": "application/json"}, 422, "validation_failed"),
        (b"null", {"Content-Type": "application/json"}, 422, "validation_failed"),
        (b'{"name": ""}', {"Content-Type": "application/json"}, 422, "validation_failed"),
        (b'{"name": "a\\u0000"}', {"Content-Type": "application/json"}, 422, "validation_failed"),
        (b'{"name": "taken"}', {"Content-Type": "application/json"}, 409, "conflict"),
    ],
)
def test_a_body_that_does_not_serve_is_refused_with_the_reason(
    site, content, headers, status, code
):
    response = site.client.post("/api/things", content=content, headers=REP | headers)
    problem(response, status, code)


def test_a_deeply_nested_body_is_refused_like_any_other(site):
    deep = b'{"name": ' + b"[" * 900 + b'"\\u0000"' + b"]" * 900 + b"}"
    headers = REP | {"Content-Type": "application/json"}
    problem(
        site.client.post("/api/things", content=deep, headers=headers), 422, "validation_failed"
    )
    deeper = b"[" * 100_000
    problem(site.client.post("/api/things", content=deeper, headers=headers), 400, "bad_request")


def test_unknown_fields_are_named(site):
    response = site.client.post("/api/things", json={"name": "a", "nmae": "b"}, headers=REP)
    body = problem(response, 422, "validation_failed")
    assert body["errors"] == [{"field": "nmae", "message": "is not a known field"}]
    response = site.client.get("/api/things?limt=3", headers=REP)
    assert problem(response, 422, "validation_failed")["errors"][0]["field"] == "limt"


@pytest.mark.parametrize("path", ["/api/things/not-an-id", "/api/nothing", "/api//things", "/%00"])
def test_what_is_not_there_is_404(site, path):
    response = site.client.request("GET", f"http://127.0.0.1:{site.port}{path}", headers=MANAGER)
    problem(response, 404, "not_found")


def test_another_method_is_405_with_those_allowed(site):
    response = site.client.put("/api/things", headers=REP)
    problem(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["allow"].split(", "))


def test_an_unexpected_error_says_nothing_of_the_inside(site):
    response = site.client.get("/api/things/broken")
    problem(response, 500, "internal_error")
    assert "hunter2" not in response.text
    problem(site.client.get("/api/things/mismatch"), 500, "internal_error")


def test_a_request_id_is_kept_or_made(site):
    sent = "from-nginx-0123456789"
    kept = site.client.get("/api/things/public", headers={"X-Request-ID": sent})
    assert kept.headers["x-request-id"] == sent
    made = site.client.get("/api/things/public", headers={"X-Request-ID": "bad id"})
    assert uuid.UUID(made.headers["x-request-id"])


@pytest.fixture
def logs(capsys):
    """Reads the lines that this process logged, and puts logging back afterwards."""
    yield lambda: [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    logger.remove()
    logging.basicConfig(handlers=[logging.NullHandler()], level=logging.WARNING, force=True)
    logging.captureWarnings(False)


def test_one_line_is_logged_for_each_request(site, make_settings, logs):
    configure_logging(make_settings(), "web")
    site.client.get(f"/api/things/{ID}", headers=REP | {"X-Request-ID": "line-0123456789"})
    site.client.get("/api/health/live")
    (line,) = [entry for entry in logs() if entry["message"] == "request"]
    expected = {
        "method": "GET",
        "route": "/api/things/<uuid:thing_id>",
        "status": 403,
        "code": "forbidden",
        "request_id": "line-0123456789",
        "org_id": str(ORG),
        "instance": "web-1",
        "level": "INFO",
    }
    assert {key: line[key] for key in expected} == expected


def test_a_unit_of_work_has_the_caller_s_organisation_and_the_request_id(site):
    headers = REP | {"X-Request-ID": "scope-0123456789"}
    first = site.client.get("/api/things/scope", headers=headers).json()
    second = site.client.get("/api/things/scope", headers=headers).json()
    role, org_id, transaction, request_id = first
    assert (role, org_id, request_id) == ("clozone_tenant", str(ORG), "scope-0123456789")
    assert transaction != second[2]


def test_a_database_that_is_away_is_503_and_says_when_to_return(start):
    site = start(database_url="postgresql://nobody@127.0.0.1:1/none")
    response = site.client.get("/api/things/scope", headers=REP)
    problem(response, 503, "unavailable")
    assert int(response.headers["retry-after"]) > 0
