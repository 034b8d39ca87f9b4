"""The platform's HTTP API as the demonstration uses it: through nginx, like anybody else."""

import time
from types import TracebackType
from typing import Any, Self

import httpx2

from clozone.demo.credentials import Account, VapiCredential

Json = dict[str, Any]
TIMEOUT_SECONDS = 20.0
# As Vapi does with a backoff plan: an answer of "not now" is tried again.
NOT_NOW = frozenset({429, 503})
TRIES = 5
LONGEST_WAIT_SECONDS = 5.0


class PlatformError(Exception):
    """An answer that is no success; says which request, which status and why."""


class PlatformClient:
    """One caller. Signs in when asked to; every call returns the parsed JSON of a success."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx2.Client(base_url=base_url, timeout=TIMEOUT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def is_ready(self) -> bool:
        """Whether the platform takes requests."""
        try:
            return self._http.get("/api/health/ready").is_success
        except httpx2.TransportError:
            return False

    def sign_in(self, account: Account) -> None:
        """Make every later request in this account's name."""
        password = account.password.get_secret_value()
        answer = self.post("/api/auth/login", {"email": account.email, "password": password})
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def get(self, path: str, **query: str | int) -> Json:
        """Read `path`."""
        return _json(self._patiently("GET", path, params=query))

    def post(self, path: str, body: Json) -> Json:
        """Send `body` to `path`."""
        return _json(self._patiently("POST", path, json=body))

    def deliver(self, credential: VapiCredential, body: Json) -> None:
        """Post a webhook as Vapi would, with its credential."""
        headers = {credential.header: credential.secret.get_secret_value()}
        self._patiently("POST", "/api/webhooks/vapi", json=body, headers=headers)

    def download(self, address: str) -> bytes:
        """The bytes behind a presigned address, which needs and takes no sign-in."""
        with httpx2.Client(timeout=TIMEOUT_SECONDS) as anonymous:
            answer = anonymous.get(address)
        return _success(answer).content

    def _patiently(self, method: str, path: str, **request: Any) -> httpx2.Response:
        for tried in range(1, TRIES + 1):
            answer = self._http.request(method, path, **request)
            wait = _wait_seconds(answer, tried)
            if wait is None or tried == TRIES:
                break
            time.sleep(wait)
        return _success(answer)


def _wait_seconds(answer: httpx2.Response, tried: int) -> float | None:
    """How long to wait before asking again, or None when asking again is no use."""
    if answer.status_code not in NOT_NOW:
        return None
    asked = answer.headers.get("Retry-After", "")
    seconds = float(asked) if asked.isdigit() else 0.25 * 2**tried
    return seconds if seconds <= LONGEST_WAIT_SECONDS else None


def _success(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_success:
        return answer
    request = f"{answer.request.method} {answer.request.url.path}"
    raise PlatformError(f"{request} answered {answer.status_code}: {_reason(answer)}")


def _reason(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return answer.text[:200]
    return str(problem.get("detail") or problem.get("title") or problem)


def _json(answer: httpx2.Response) -> Json:
    body = answer.json()
    if not isinstance(body, dict):
        raise PlatformError(f"{answer.request.url.path} answered no JSON object")
    return body
