import pytest

APP = "https://app.example"
REP = {"Authorization": "Bearer rep"}


@pytest.fixture
def site(start):
    return start(cors_origins=f"{APP},https://other.example", rate_limit_api="1 per minute")


def preflight(site, origin, path="/api/things"):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return site.client.options(path, headers=headers)


def test_a_preflight_of_an_allowed_origin_names_what_is_allowed(site):
    response = preflight(site, APP)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == APP
    assert "PATCH" in response.headers["access-control-allow-methods"]
    assert "Authorization" in response.headers["access-control-allow-headers"]
    assert "Origin" in response.headers["vary"]


def test_another_origin_gets_no_permission(site):
    response = preflight(site, "https://app.example.evil")
    assert "access-control-allow-origin" not in response.headers
    assert "access-control-allow-methods" not in response.headers
    assert "Origin" in response.headers["vary"]


def test_answers_and_problems_alike_can_be_read_by_the_page(site):
    for headers, status in ((REP, 200), ({}, 401), ({}, 429)):
        response = site.client.get("/api/things", headers=headers | {"Origin": APP})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == APP
        exposed = response.headers["access-control-expose-headers"].split(", ")
        assert {"RateLimit", "Retry-After", "X-Request-ID", "ETag"} <= set(exposed)
    missing = site.client.get("/api/nothing", headers={"Origin": APP})
    assert missing.headers["access-control-allow-origin"] == APP


def test_without_origins_there_is_no_trace_of_it(start):
    response = preflight(start(), APP)
    assert not [name for name in response.headers if name.startswith("access-control")]
