"""Sends what Vapi and people would send, and goes on until each is accepted.

As Vapi does with a backoff plan, and as a browser's user does by pressing again: anything but a
success, or no answer at all, is tried again. Only what was answered with 2xx is a promise.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx2
import orjson

from clozone.drill.calls import DrillCall
from clozone.drill.errors import DrillError
from clozone.drill.promises import Promises
from clozone.drill.script import Sending, Subject, sendings
from clozone.drill.signing import proof
from clozone.drill.target import Target
from clozone.drill.world import Organisation, Person
from clozone.kit.clock import now

WEBHOOK_TIMEOUT_SECONDS = 20.0
AT_ONCE = 24
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 6.0
# What no fault of the drill's can excuse on the first delivery: the platform does not know us.
_STRANGER = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
# Grading on demand is limited to 10 a quarter of an hour for each client.
MOST_TRANSCRIPTS = 8
CALLS_PER_TRANSCRIPT = 25


class Sender:
    """Sends the calls of one drill. `held_back` are the duplicates for after the quiet."""

    def __init__(
        self,
        target: Target,
        run: str,
        *,
        world: Sequence[Organisation],
        calls: Sequence[DrillCall],
        promises: Promises,
        seed: int,
    ) -> None:
        self.held_back: list[Sending] = []
        self.started = 0
        self._target = target
        self._run = run
        self._world = world
        self._calls = calls
        self._promises = promises
        self._seed = seed
        self._jitter = random.Random(f"sender {seed}")

    async def send_calls(self, pace_seconds: float) -> None:
        """Send every call, one begun each `pace_seconds`; returns when all is accepted.

        Raises DrillError when the platform refuses the drill's credentials before any fault.
        """
        async with self._client() as client:
            tasks = [
                asyncio.create_task(self._send_call(client, call, place * pace_seconds))
                for place, call in enumerate(self._calls)
            ]
            tasks += [
                asyncio.create_task(self._send_transcript(client, number, pace_seconds))
                for number in range(transcripts(len(self._calls)))
            ]
            await _all_or_none(tasks)

    async def send_held_back(self) -> None:
        """Send the duplicates that come long after."""
        async with self._client() as client:
            await _all_or_none(
                [asyncio.create_task(self._deliver(client, each)) for each in self.held_back]
            )

    def _client(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self._target.url,
            timeout=WEBHOOK_TIMEOUT_SECONDS,
            limits=httpx2.Limits(max_connections=AT_ONCE),
            trust_env=False,
        )

    async def _send_call(
        self, client: httpx2.AsyncClient, call: DrillCall, begins_in: float
    ) -> None:
        await asyncio.sleep(begins_in)
        organisation = self._world[call.organisation]
        rep = organisation.reps[call.rep]
        template_id = organisation.templates[call.call.template]
        self.started += 1
        session_id = None
        if call.prepared:
            body = {"template_id": str(template_id)}
            made = await self._request(client, rep, "/api/sessions", body)
            session_id = self._promises.sessions[call.number] = UUID(made["id"])
        subject = Subject(organisation.id, rep.id, template_id, session_id)
        postings = sendings(call, subject, self._run, now(), self._seed)
        self.held_back += [each for each in postings if each.offset is None]
        for each in postings:
            self._promises.open[each.key] += 1 if each.offset is not None else 0
        await asyncio.gather(
            *(self._deliver(client, each) for each in postings if each.offset is not None)
        )

    async def _send_transcript(
        self, client: httpx2.AsyncClient, number: int, pace_seconds: float
    ) -> None:
        await asyncio.sleep(number * CALLS_PER_TRANSCRIPT * pace_seconds)
        organisation = self._world[number % len(self._world)]
        call = next(each for each in self._calls if each.gradable)
        said = [
            {"speaker": turn.speaker, "text": turn.text, "start": turn.start, "end": turn.end}
            for turn in call.call.turns
        ]
        # In words that no call of the drill has, so that it has to be paid for by itself.
        said[-1]["text"] = f"{said[-1]['text']} Transcript {number} of {self._run}."
        body = {
            "transcript": said,
            "template_id": str(organisation.templates[call.call.template]),
        }
        path = "/api/analytics/grade-transcript"
        made = await self._request(client, organisation.manager, path, body)
        self._promises.transcripts.append(UUID(made["job_id"]))

    async def _deliver(self, client: httpx2.AsyncClient, sending: Sending) -> None:
        await asyncio.sleep(sending.offset or 0.0)
        body = orjson.dumps(sending.body)
        for tried in range(10**6):
            headers = proof(self._target, body) | {"content-type": "application/json"}
            answer = await self._post(client, "/api/webhooks/vapi", body, headers)
            if answer is not None and answer.is_success:
                break
            refused = answer is not None and answer.status_code in _STRANGER
            if answer is not None and refused and not self._promises.accepted:
                raise DrillError(
                    f"The platform refuses the drill's webhooks ({answer.status_code}): "
                    f"{answer.text[:200]}"
                )
            await self._back_off(tried)
        self._promises.accepted[sending.key] += 1
        if sending.offset is not None:
            self._promises.open[sending.key] -= 1

    async def _request(
        self, client: httpx2.AsyncClient, person: Person, path: str, body: object
    ) -> dict[str, Any]:
        content = orjson.dumps(body)
        for tried in range(10**6):
            if not person.token:
                await self._sign_in(client, person)
            headers = {
                "authorization": f"Bearer {person.token}",
                "content-type": "application/json",
            }
            answer = await self._post(client, path, content, headers)
            if answer is not None and answer.is_success:
                return dict(answer.json())
            if answer is not None and answer.status_code == HTTPStatus.UNAUTHORIZED:
                # Access tokens live a quarter of an hour, some drills longer.
                person.token = ""
            await self._back_off(tried)
        raise AssertionError("the loop ends by success only")

    async def _sign_in(self, client: httpx2.AsyncClient, person: Person) -> None:
        content = orjson.dumps({"email": person.email, "password": person.password})
        for tried in range(10**6):
            headers = {"content-type": "application/json"}
            answer = await self._post(client, "/api/auth/login", content, headers)
            if answer is not None and answer.is_success:
                person.token = str(answer.json()["access_token"])
                return
            await self._back_off(tried)

    async def _post(
        self, client: httpx2.AsyncClient, path: str, content: bytes, headers: Mapping[str, str]
    ) -> httpx2.Response | None:
        """The answer, or None when there was none: the request may have arrived all the same."""
        try:
            answer = await client.post(path, content=content, headers=dict(headers))
        except httpx2.TransportError:
            self._promises.answers["none"] += 1
            return None
        self._promises.answers[str(answer.status_code)] += 1
        return answer

    async def _back_off(self, tried: int) -> None:
        wait = min(FIRST_BACKOFF_SECONDS * 2**tried, LONGEST_BACKOFF_SECONDS)
        await asyncio.sleep(wait * self._jitter.uniform(0.5, 1.0))


def transcripts(calls: int) -> int:
    """How many transcripts a drill of so many calls sends in for grading."""
    return min(MOST_TRANSCRIPTS, max(1, calls // CALLS_PER_TRANSCRIPT))


async def _all_or_none(tasks: Sequence["asyncio.Task[None]"]) -> None:
    """Wait for all; when one fails, end the others and raise what it raised."""
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
