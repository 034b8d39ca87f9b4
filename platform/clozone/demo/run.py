"""Feeds the written calls into the platform and follows each to its scorecard."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

from clozone.demo.content import DemoCall, demo_templates
from clozone.demo.credentials import Credentials
from clozone.demo.platform_client import PlatformClient, PlatformError
from clozone.demo.progress import ENDED, Progress, Step
from clozone.demo.vapi_messages import deliveries
from clozone.kit.clock import from_epoch_ms, iso, now

Json = dict[str, Any]
# One list request a second keeps far inside a user's 1000 requests per 15 minutes.
POLL_SECONDS = 1.0
EXPORT_POLL_SECONDS = 0.2
LONGEST_EXPORT_SECONDS = 15.0
PAGE_SIZE = 100


def make_private(folder: Path) -> None:
    """Make `folder`, or the one that is there, its owner's alone: scorecards tell about people."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


@dataclass(frozen=True, slots=True)
class Caller:
    """A rep who is signed in."""

    client: PlatformClient
    user_id: str


class DemoRun:
    """One run over `calls`. `on_change` is called whenever a call has come a step further."""

    def __init__(
        self,
        credentials: Credentials,
        calls: list[DemoCall],
        folder: Path,
        on_change: Callable[[Progress], None],
    ) -> None:
        self.credentials = credentials
        self.progress = [Progress(number, call) for number, call in enumerate(calls, start=1)]
        self.folder = folder
        self.on_change = on_change
        self._open = ExitStack()
        self._manager = self._client()
        self._callers: dict[str, Caller] = {}
        self._template_ids: dict[str, str] = {}
        self._begun_at = now() - timedelta(seconds=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def play(self, longest_seconds: float) -> None:
        """Feed every call and follow all to their end, or until `longest_seconds` have passed.

        Raises PlatformError when the platform refuses a request.
        """
        deadline = time.monotonic() + longest_seconds
        make_private(self.folder)
        self._sign_in()
        polled_at = time.monotonic()
        for entry in self.progress:
            self._feed(entry)
            if time.monotonic() - polled_at >= POLL_SECONDS:
                self._follow()
                polled_at = time.monotonic()
        while self._on_the_way() and time.monotonic() < deadline:
            time.sleep(max(0.0, polled_at + POLL_SECONDS - time.monotonic()))
            polled_at = time.monotonic()
            self._follow()

    def analytics(self) -> Json:
        """The team's figures of the last seven days, as the manager sees them."""
        return self._manager.get("/api/analytics", period="7d")

    def median_seconds(self) -> float | None:
        """Median time from webhook to scorecard, or None when there is no scorecard."""
        seconds = [entry.seconds for entry in self.progress if entry.seconds is not None]
        return median(seconds) if seconds else None

    def _client(self) -> PlatformClient:
        return self._open.enter_context(PlatformClient(self.credentials.base_url))

    def _sign_in(self) -> None:
        self._manager.sign_in(self.credentials.manager)
        for key in sorted({entry.call.rep for entry in self.progress}):
            client = self._client()
            client.sign_in(self.credentials.caller(key))
            self._callers[key] = Caller(client, str(client.get("/api/auth/me")["id"]))
        listed = self._manager.get("/api/templates", limit=PAGE_SIZE)["items"]
        id_by_name = {template["name"]: template["id"] for template in listed}
        for template in demo_templates():
            if template.name not in id_by_name:
                raise PlatformError(f"the platform has no template {template.name!r}")
            self._template_ids[template.key] = id_by_name[template.name]

    def _feed(self, entry: Progress) -> None:
        caller = self._callers[entry.call.rep]
        template_id = self._template_ids[entry.call.template]
        session = caller.client.post("/api/sessions", {"template_id": template_id})
        entry.session_id = str(session["id"])
        bodies = deliveries(
            entry.call,
            session_id=entry.session_id,
            org_id=self.credentials.organization_id,
            user_id=caller.user_id,
            template_id=template_id,
            assignment_id=None,
            started_at=now() - timedelta(seconds=entry.call.duration_seconds),
        )
        for body in bodies:
            if not entry.sent_at and body["message"]["type"] == "end-of-call-report":
                entry.sent_at = time.time()
            caller.client.deliver(self.credentials.vapi, body)
        self._reach(entry, Step.SENT)

    def _follow(self) -> None:
        listed = self._manager.get(
            "/api/sessions", limit=PAGE_SIZE, **{"from": iso(self._begun_at)}
        )["items"]
        by_id = {session["id"]: session for session in listed}
        for entry in self._on_the_way():
            if entry.session_id not in by_id:
                continue
            before = entry.step
            entry.advance(by_id[entry.session_id])
            if entry.step != before:
                self.on_change(entry)
            if entry.status == "completed":
                self._collect(entry)
            if entry.status in ENDED:
                self._reach(entry, Step.DONE)

    def _collect(self, entry: Progress) -> None:
        path = f"/api/sessions/{entry.session_id}"
        entry.grade = self._manager.get(path)["grade"]
        export = self._await_export(self._manager.post(f"{path}/exports", {})["id"])
        if export["state"] != "ready":
            return
        ready_at = export.get("ready_at")
        ready = datetime.fromisoformat(ready_at) if ready_at else now()
        entry.seconds = (ready - from_epoch_ms(entry.sent_at * 1000)).total_seconds()
        entry.scorecard = self.folder / f"{entry.call.key}.pdf"
        entry.scorecard.write_bytes(self._manager.download(export["url"]))

    def _await_export(self, export_id: str) -> Json:
        deadline = time.monotonic() + LONGEST_EXPORT_SECONDS
        while True:
            export = self._manager.get(f"/api/exports/{export_id}")
            if export["state"] != "queued" or time.monotonic() > deadline:
                return export
            time.sleep(EXPORT_POLL_SECONDS)

    def _on_the_way(self) -> list[Progress]:
        return [entry for entry in self.progress if entry.step is not Step.DONE]

    def _reach(self, entry: Progress, step: Step) -> None:
        entry.step = step
        self.on_change(entry)
