"""Managing endpoints: who may, what is shown, what is refused."""

from typing import Any

import httpx2
import pytest
from office import ALL, Office
from tests.support.notification_receiver import Receiver, Reply
from tests.support.people import SignIn

from clozone.notifications.schedule import MOST_ATTEMPTS
from clozone.notifications.service.endpoints import MOST_ENDPOINTS

PATH = "/api/notification-endpoints"
Json = dict[str, Any]


@pytest.fixture
def made(admin: httpx2.Client, inbox: Receiver) -> Json:
    """An endpoint as the answer to its creation shows it."""
    answer = admin.post(PATH, json={"url": inbox.url, "events": ALL, "description": "CRM"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_the_secret_is_shown_once(admin: httpx2.Client, made: Json, office: Office) -> None:
    secret = made.pop("secret")

    assert secret.startswith("whsec_")
    assert secret == office.shown(made["id"]).secret
    read, listed = admin.get(f"{PATH}/{made['id']}"), admin.get(PATH)
    assert read.json() == made
    assert listed.json() == {"items": [made], "next_cursor": None}
    changed = admin.patch(f"{PATH}/{made['id']}", json={"description": "ERP"})
    assert all("whsec_" not in answer.text for answer in (read, listed, changed))


def test_a_new_endpoint_is_enabled_and_its_circuit_closed(made: Json) -> None:
    assert made["description"] == "CRM"
    assert made["events"] == sorted(ALL)
    assert (made["enabled"], made["disabled_reason"], made["disabled_at"]) == (True, None, None)
    assert made["circuit"] == {
        "state": "closed",
        "failures": 0,
        "failing_since": None,
        "open_until": None,
    }
    assert made["previous_secret_expires_at"] is None


@pytest.mark.parametrize("role", ["rep", "manager"])
def test_only_administrators_manage_endpoints(
    sign_in: SignIn, office: Office, made: Json, role: str
) -> None:
    client = sign_in(office.team, role)
    one = f"{PATH}/{made['id']}"
    for method, path, body in (
        ("GET", PATH, None),
        ("POST", PATH, {"url": "https://example.com", "events": ALL}),
        ("GET", one, None),
        ("PATCH", one, {"enabled": False}),
        ("DELETE", one, None),
        ("POST", f"{one}/rotate-secret", {}),
        ("POST", f"{one}/test", None),
        ("GET", f"{one}/deliveries", None),
    ):
        answer = client.request(method, path, **({} if body is None else {"json": body}))
        assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.com/hook", "https://"),
        ("ftp://example.com/hook", "https://"),
        ("example.com/hook", "https://"),
        ("https://127.0.0.1/hook", "not a public address"),
        ("https://10.1.2.3/hook", "not a public address"),
        ("https://169.254.169.254/latest/meta-data", "not a public address"),
        ("https://[::1]/hook", "not a public address"),
        ("https://[::ffff:10.0.0.1]/hook", "not a public address"),
        ("https://2130706433/hook", "four decimal parts"),
        ("https://localhost/hook", "not a public address"),
        ("https://me:secret@example.com/hook", "password"),
        ("https://1.1.1.1:22/", "port 22"),
        ("https:///hook", "host"),
    ],
)
def test_an_address_that_leads_inside_is_refused(
    web: str, office: Office, sign_in: SignIn, url: str, told: str
) -> None:
    admin = sign_in(office.team, "admin")
    admin.base_url = web  # type: ignore[assignment]  # a web process that lets nothing inside

    answer = admin.post(PATH, json={"url": url, "events": ALL})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "url"
    assert told in answer.json()["detail"]
    assert admin.get(PATH).json()["items"] == []


def test_an_endpoint_cannot_be_led_inside_later_either(
    web: str, admin: httpx2.Client, made: Json
) -> None:
    admin.base_url = web  # type: ignore[assignment]

    answer = admin.patch(f"{PATH}/{made['id']}", json={"url": "https://10.0.0.1/"})

    assert answer.status_code == 422
    assert admin.get(f"{PATH}/{made['id']}").json()["url"] == made["url"]


@pytest.mark.parametrize(
    "change",
    [
        {"events": []},
        {"events": ["session.deleted"]},
        {"events": None},
        {"url": None},
        {"url": ""},
        {"url": "https://example.com/" + "x" * 2_048},
        {"description": "x" * 501},
        {"enabled": None},
        {"secret": "whsec_mine"},
    ],
)
def test_what_does_not_fit_is_refused(admin: httpx2.Client, made: Json, change: Json) -> None:
    body = {"url": made["url"], "events": ALL, **change}

    assert admin.post(PATH, json=body).status_code == 422
    assert admin.patch(f"{PATH}/{made['id']}", json=change).status_code == 422


def test_an_organisation_has_so_many_endpoints_and_no_more(
    admin: httpx2.Client, inbox: Receiver
) -> None:
    body = {"url": inbox.url, "events": ALL}
    answers = [admin.post(PATH, json=body) for _ in range(MOST_ENDPOINTS + 1)]

    assert [answer.status_code for answer in answers] == [201] * MOST_ENDPOINTS + [409]
    assert str(MOST_ENDPOINTS) in answers[-1].json()["detail"]
    assert admin.delete(f"{PATH}/{answers[0].json()['id']}").status_code == 204
    assert admin.post(PATH, json=body).status_code == 201


def test_a_list_is_read_page_by_page(admin: httpx2.Client, inbox: Receiver) -> None:
    ids = [admin.post(PATH, json={"url": inbox.url, "events": ALL}).json()["id"] for _ in range(3)]
    first = admin.get(PATH, params={"limit": 2}).json()
    rest = admin.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [item["id"] for item in first["items"] + rest["items"]] == ids[::-1]


def test_disabling_ends_what_is_on_its_way_and_enabling_begins_afresh(
    admin: httpx2.Client, made: Json, office: Office, inbox: Receiver
) -> None:
    inbox.then(Reply(500))
    office.tell_and_run()

    off = admin.patch(f"{PATH}/{made['id']}", json={"enabled": False}).json()
    office.later()

    assert (off["enabled"], off["disabled_reason"]) == (False, "requested")
    assert off["disabled_at"] is not None
    delivery = office.delivery()
    assert (delivery.state, delivery.error) == ("failed", "the endpoint was disabled")
    assert len(inbox.received) == 1
    assert admin.post(f"{PATH}/{made['id']}/test").status_code == 409
    assert admin.post(f"/api/notification-deliveries/{delivery.id}/redeliver").status_code == 409

    on = admin.patch(f"{PATH}/{made['id']}", json={"enabled": True}).json()

    assert (on["enabled"], on["disabled_reason"], on["disabled_at"]) == (True, None, None)
    assert on["circuit"]["failures"] == 0


def test_a_new_secret_signs_beside_the_former_one_for_a_while(
    admin: httpx2.Client, made: Json, office: Office, inbox: Receiver
) -> None:
    rotated = admin.post(f"{PATH}/{made['id']}/rotate-secret", json={}).json()
    office.tell_and_run()

    assert rotated["previous_secret_expires_at"] is not None
    assert rotated["secret"] != made["secret"]
    (message,) = inbox.received
    assert message.is_signed_with(rotated["secret"])
    assert message.is_signed_with(made["secret"])


def test_a_secret_that_has_leaked_ends_at_once(
    admin: httpx2.Client, made: Json, office: Office, inbox: Receiver
) -> None:
    path = f"{PATH}/{made['id']}/rotate-secret"
    rotated = admin.post(path, json={"grace_seconds": 0}).json()
    office.tell_and_run()

    assert rotated["previous_secret_expires_at"] is None
    assert not inbox.received[0].is_signed_with(made["secret"])
    assert inbox.received[0].is_signed_with(rotated["secret"])
    assert admin.post(path, json={"grace_seconds": 7 * 86_400 + 1}).status_code == 422


def test_deleting_takes_the_log_along_and_nothing_more_is_sent(
    admin: httpx2.Client, made: Json, office: Office, inbox: Receiver
) -> None:
    inbox.then(Reply(500))
    office.tell_and_run()

    assert admin.delete(f"{PATH}/{made['id']}").status_code == 204
    office.later()

    assert (office.deliveries(), office.attempts(), len(inbox.received)) == ([], [], 1)
    assert [job.state for job in office.jobs("notifications.deliver")] == ["succeeded"]
    assert admin.delete(f"{PATH}/{made['id']}").status_code == 404


def test_changes_are_on_record_without_secrets(
    admin: httpx2.Client, made: Json, office: Office
) -> None:
    one = f"{PATH}/{made['id']}"
    admin.patch(one, json={"events": ["export.ready"]})
    admin.post(f"{one}/rotate-secret", json={})
    admin.delete(one)

    assert office.team.audited() == [
        ("notification_endpoint.created", "user"),
        ("notification_endpoint.changed", "user"),
        ("notification_endpoint.secret_rotated", "user"),
        ("notification_endpoint.deleted", "user"),
    ]


def test_the_log_shows_each_attempt_and_sending_again_keeps_the_id(
    admin: httpx2.Client, made: Json, office: Office, inbox: Receiver
) -> None:
    inbox.always(Reply(500, body=b"out of order"))
    office.tell_and_run(session_id="1")
    for _ in range(MOST_ATTEMPTS - 1):
        office.later()
    inbox.always(Reply())
    assert admin.get(f"{PATH}/{made['id']}").json()["circuit"]["state"] == "open"
    (listed,) = admin.get(f"{PATH}/{made['id']}/deliveries").json()["items"]
    path = f"/api/notification-deliveries/{listed['id']}"

    assert (listed["state"], listed["failures"], listed["series"]) == ("failed", MOST_ATTEMPTS, 1)
    detail = admin.get(path).json()
    assert detail["body"]["data"] == {"session_id": "1"}
    assert len(detail["attempts"]) == MOST_ATTEMPTS
    assert {(a["http_status"], a["response"]) for a in detail["attempts"]} == {
        (500, "out of order")
    }

    again = admin.post(f"{path}/redeliver")
    assert (again.status_code, again.json()["state"], again.json()["series"]) == (
        202,
        "pending",
        2,
    )
    office.run()

    # What somebody asks for goes through an open circuit at once.
    assert len(inbox.received) == MOST_ATTEMPTS + 1
    assert {message.id for message in inbox.received} == {listed["message_id"]}
    assert len({message.body for message in inbox.received}) == 1
    detail = admin.get(path).json()
    assert (detail["state"], detail["failures"]) == ("delivered", 0)
    assert [attempt["series"] for attempt in detail["attempts"]][:2] == [2, 1]
    assert admin.get(f"{PATH}/{made['id']}").json()["circuit"]["state"] == "closed"


def test_sending_again_what_still_waits_leaves_one_series(
    admin: httpx2.Client, made: Json, office: Office, inbox: Receiver
) -> None:
    inbox.then(Reply(500))
    delivery = office.tell_and_run()

    admin.post(f"/api/notification-deliveries/{delivery.id}/redeliver")
    office.later()

    assert len(inbox.received) == 2
    assert office.delivery().state == "delivered"
    assert {job.state for job in office.jobs()} == {"succeeded"}


def test_the_log_is_filtered_and_read_page_by_page(
    admin: httpx2.Client, made: Json, office: Office, inbox: Receiver
) -> None:
    inbox.then(Reply(409))
    for event in ("session.graded", "export.ready", "export.ready"):
        office.tell(event)
        office.run()
    path = f"{PATH}/{made['id']}/deliveries"

    def types(**query: Any) -> list[str]:
        return [item["type"] for item in admin.get(path, params=query).json()["items"]]

    assert types() == ["export.ready", "export.ready", "session.graded"]
    assert types(state="pending") == ["session.graded"]
    assert types(state="delivered", type="export.ready") == ["export.ready", "export.ready"]
    assert types(state="failed") == []
    first = admin.get(path, params={"limit": 2}).json()
    assert types(limit=2, cursor=first["next_cursor"]) == ["session.graded"]
    assert admin.get(path, params={"state": "lost"}).status_code == 422
