"""The whole platform under load: people's requests, Vapi's webhooks, streams."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from bench.reload.load import Load, Request
from bench.reload.stage import WIDE_OPEN

from clozone.kit.ids import new_id
from clozone.local.bundle import Bundle

_LIMITS = {
    f"RATE_LIMIT_{name}": "1000000 per minute"
    for name in ("API", "USER", "KEY", "STRICT_USER", "LOGIN")
}


@contextmanager
def platform(folder: Path) -> Iterator[Bundle]:
    """A platform of its own, gone afterwards."""
    bundle = Bundle(folder / "platform", 0, os.environ | WIDE_OPEN | _LIMITS)
    bundle.start()
    try:
        yield bundle
    finally:
        bundle.destroy()


def load_on(bundle: Bundle, rate: float) -> Load:
    """Half webhooks, a quarter each lists and new sessions, a session's progress as a stream."""
    credentials = json.loads(bundle.home.credentials.read_text())
    with httpx2.Client(base_url=bundle.url, timeout=30) as client:
        answer = client.post("/api/auth/login", json=credentials["rep"])
        token = answer.raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        templates = client.get("/api/templates", headers=headers).json()["items"]
        new_session = {"template_id": templates[0]["id"]}
        watched = client.post("/api/sessions", headers=headers, json=new_session).json()["id"]

    def mixture(number: int) -> Request:
        if number % 4 == 0:
            return Request("read", "GET", "/api/sessions", headers)
        if number % 4 == 1:
            return Request("write", "POST", "/api/sessions", headers, _encoded(new_session))
        return _webhook(credentials["vapi"])

    stream = Request("stream", "GET", f"/api/sessions/{watched}/events", headers)
    return Load("127.0.0.1", urlsplit(bundle.url).port or 80, rate, mixture, stream=stream)


def _webhook(vapi: dict[str, str]) -> Request:
    call = {"id": str(new_id())}
    message = {"type": "status-update", "status": "in-progress", "call": call}
    headers = {vapi["header"]: vapi["secret"], "Content-Type": "application/json"}
    return Request("webhook", "POST", "/api/webhooks/vapi", headers, _encoded({"message": message}))


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
