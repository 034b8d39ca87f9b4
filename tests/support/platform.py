"""The whole platform, as `make run` starts it, in the hands of a test."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import psycopg

from clozone.demo.content import DemoCall, demo_calls, demo_templates
from clozone.demo.vapi_messages import deliveries
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.local.bundle import Bundle

Json = dict[str, Any]


@dataclass
class Platform:
    """A running bundle and its credentials."""

    bundle: Bundle

    @property
    def url(self) -> str:
        """The address of nginx."""
        return self.bundle.url

    @property
    def environment(self) -> dict[str, str]:
        """What a process of ours needs."""
        return self.bundle.environment()

    @property
    def credentials(self) -> Json:
        """What the first start wrote down."""
        path = self.bundle.home.root / "credentials.json"
        return dict(json.loads(path.read_text()))

    def signed_in(self, role: str) -> httpx2.Client:
        """A client through nginx in the name of `operator`, `manager` or `rep`."""
        client = httpx2.Client(base_url=self.url, timeout=30)
        answer = client.post("/api/auth/login", json=self.credentials[role])
        answer.raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the platform's database, as the superuser sees them."""
        with psycopg.connect(self.bundle.superuser_url("clozone")) as connection:
            return connection.execute(statement, parameters).fetchall()  # type: ignore[arg-type]

    def start_session(self, rep: httpx2.Client, call: DemoCall) -> UUID:
        """A session for the template that the call practises."""
        names = {template.key: template.name for template in demo_templates()}
        templates = rep.get("/api/templates", params={"limit": 100}).json()["items"]
        (template_id,) = (t["id"] for t in templates if t["name"] == names[call.template])
        answer = rep.post("/api/sessions", json={"template_id": template_id})
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    def deliver(self, call: DemoCall, session_id: UUID) -> None:
        """Post the call's webhooks through nginx, as Vapi would."""
        self.post(self.webhooks(call, session_id))

    def webhooks(self, call: DemoCall, session_id: UUID) -> list[Json]:
        """What Vapi would post for a call on a session that is in the database."""
        ((org_id, user_id, template_id),) = self.rows(
            "SELECT org_id, user_id, template_id FROM training_sessions WHERE id = %s", session_id
        )
        return list(
            deliveries(
                call,
                session_id=str(session_id),
                org_id=str(org_id),
                user_id=str(user_id),
                template_id=str(template_id),
                assignment_id=None,
                started_at=now(),
            )
        )

    def post(self, webhooks: list[Json]) -> None:
        """Post webhooks through nginx; each has to be taken."""
        vapi = self.credentials["vapi"]
        for message in webhooks:
            answer = httpx2.post(
                f"{self.url}/api/webhooks/vapi",
                json=message,
                headers={vapi["header"]: vapi["secret"]},
                timeout=30,
            )
            assert answer.status_code == 200, answer.text

    def control_model(self, *faults: Json) -> None:
        """Switch faults of the offline model on; none switches all off."""
        base = self.environment["OPENAI_BASE_URL"].removesuffix("/v1")
        httpx2.post(f"{base}/_control", json={"faults": list(faults)}).raise_for_status()

    def model_answers(self) -> dict[str, int]:
        """How often the offline model answered each content."""
        base = self.environment["OPENAI_BASE_URL"].removesuffix("/v1")
        return dict(httpx2.get(f"{base}/_control/stats").json()["answered_by_content"])


def demo_call(key: str) -> DemoCall:
    """One of the written calls."""
    (call,) = (call for call in demo_calls() if call.key == key)
    return call


def never_heard_before(call: DemoCall) -> DemoCall:
    """The call with words of its own, so that the model has to be asked about it."""
    first = call.turns[0]
    spoken = first.model_copy(update={"text": f"{first.text} {new_id().hex}"})
    return call.model_copy(update={"turns": type(call.turns)([spoken, *call.turns[1:]])})


def eventually(holds: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until `holds()` is true, and return what it returned; fails when it does not come about."""
    deadline = time.monotonic() + seconds
    while not (result := holds()):
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.05)
    return result
