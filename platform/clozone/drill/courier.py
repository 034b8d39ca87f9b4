"""Brings requests to the platform, and tries again until each is accepted.

As Vapi does with a backoff plan, and as people do by pressing again: anything but a success, or no
answer at all, is tried again. Only what was answered with 2xx is a promise.
"""

import asyncio
import hashlib
import random
from collections.abc import Iterator
from http import HTTPStatus
from itertools import count
from types import TracebackType
from typing import Any, Self

import httpx2
import orjson

from clozone.drill.errors import DrillError
from clozone.drill.promises import Promises
from clozone.drill.script import Key
from clozone.drill.signing import proof
from clozone.drill.target import Target
from clozone.drill.world import Person

TIMEOUT_SECONDS = 20.0
AT_ONCE = 24
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 6.0
_JSON = {"content-type": "application/json"}
# Before anything was accepted, no fault of the drill's excuses these: the platform does not know us.
_STRANGER = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


class Courier:
    """One pool of connections to nginx. Counts every answer in `promises`."""

    def __init__(self, target: Target, promises: Promises, seed: int) -> None:
        self._target = target
        self._promises = promises
        self._jitter = random.Random(f"courier {seed}")
        self._http = httpx2.AsyncClient(
            base_url=target.url,
            timeout=TIMEOUT_SECONDS,
            limits=httpx2.Limits(max_connections=AT_ONCE),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def deliver(self, key: Key, message: object) -> None:
        """Deliver the webhook `key`; returns when it is accepted.

        Raises DrillError when the platform refuses the very first ones: then the secret is wrong.
        """
        body = orjson.dumps(message)
        self._promises.bodies[key].add(hashlib.sha256(body).hexdigest())
        for pause in self._pauses():
            answer = await self._post("/api/webhooks/vapi", body, proof(self._target, body))
            if answer is not None and answer.is_success:
                return
            if answer is not None and not self._promises.accepted:
                _refuse_if_stranger(answer)
            await asyncio.sleep(pause)

    async def request(self, person: Person, path: str, body: object) -> dict[str, Any]:
        """POST in somebody's name; the answer, once it is a success. Signs in when that is needed."""
        for pause in self._pauses():
            if not person.token:
                person.token = await self._sign_in(person)
            headers = {"authorization": f"Bearer {person.token}"}
            answer = await self._post(path, orjson.dumps(body), headers)
            if answer is not None and answer.is_success:
                return dict(answer.json())
            if answer is not None and answer.status_code == HTTPStatus.UNAUTHORIZED:
                # Access tokens live a quarter of an hour, some drills longer.
                person.token = ""
            await asyncio.sleep(pause)
        raise AssertionError("there is always another try")

    async def _sign_in(self, person: Person) -> str:
        body = orjson.dumps({"email": person.email, "password": person.password})
        for pause in self._pauses():
            answer = await self._post("/api/auth/login", body, {})
            if answer is not None and answer.is_success:
                return str(answer.json()["access_token"])
            await asyncio.sleep(pause)
        raise AssertionError("there is always another try")

    async def _post(
        self, path: str, content: bytes, headers: dict[str, str]
    ) -> httpx2.Response | None:
        """The answer, or None when there was none: the request may have arrived all the same."""
        try:
            answer = await self._http.post(path, content=content, headers=_JSON | headers)
        except httpx2.TransportError:
            self._promises.answers["none"] += 1
            return None
        self._promises.answers[str(answer.status_code)] += 1
        return answer

    def _pauses(self) -> Iterator[float]:
        """Seconds to wait after each try, without end: the drill has a time limit of its own."""
        for tried in count():
            longest = min(FIRST_BACKOFF_SECONDS * 2.0 ** min(tried, 10), LONGEST_BACKOFF_SECONDS)
            yield longest * self._jitter.uniform(0.5, 1.0)


def _refuse_if_stranger(answer: httpx2.Response) -> None:
    if answer.status_code in _STRANGER:
        raise DrillError(
            f"The platform refuses the drill's webhooks ({answer.status_code}): {answer.text[:200]}"
        )
