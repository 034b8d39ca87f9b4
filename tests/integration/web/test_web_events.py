import dummy_api
import orjson
from dummy_api import ORG

REP = {"Authorization": "Bearer rep"}


def read(site, enough):
    """The stream up to the first moment at which `enough` is content with it."""
    text = ""
    with site.client.stream("GET", "/api/things/events", headers=REP) as response:
        for part in response.iter_text():
            text += part
            if enough(text):
                break
    return response, text


def test_events_come_with_name_id_and_the_scope_of_the_request(site):
    response, text = read(site, lambda text: ": keep-alive" in text)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    first, second, rest = text.split("\n\n", 2)
    name, identifier, data = first.split("\n")
    assert (name, identifier) == ("event: progress", "id: 1")
    assert orjson.loads(data.removeprefix("data: ")) == {"step": 1, "org_id": str(ORG)}
    assert second.split("\n")[1] == "id: 2"
    assert rest == ": keep-alive\n\n"


def test_the_generator_ends_when_the_client_leaves(site):
    read(site, lambda text: "id: 2" in text)
    assert dummy_api.closed.wait(10)


def test_a_head_request_gets_the_headers_and_no_stream(site):
    response = site.client.head("/api/things/events", headers=REP)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
