"""Sends the calls of a drill: in their turn, and each message when and as often as its script says."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from clozone.drill.calls import DrillCall
from clozone.drill.courier import Courier
from clozone.drill.promises import Promises
from clozone.drill.script import Sending, Subject, sendings
from clozone.drill.target import Target
from clozone.drill.world import Organisation
from clozone.kit.clock import now

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

    async def send_calls(self, pace_seconds: float) -> None:
        """Send every call, one begun each `pace_seconds`; returns when all is accepted.

        Raises DrillError when the platform refuses the drill's credentials before any fault.
        """
        async with Courier(self._target, self._promises, self._seed) as courier:
            tasks = [
                asyncio.create_task(self._send_call(courier, call, place * pace_seconds))
                for place, call in enumerate(self._calls)
            ]
            tasks += [
                asyncio.create_task(self._send_transcript(courier, number, pace_seconds))
                for number in range(transcripts(len(self._calls)))
            ]
            await _all_or_none(tasks)

    async def send_held_back(self) -> None:
        """Send the duplicates that come long after."""
        async with Courier(self._target, self._promises, self._seed) as courier:
            await _all_or_none(
                [asyncio.create_task(self._deliver(courier, each)) for each in self.held_back]
            )

    async def send_last_transcript(self) -> None:
        """Send one more transcript, when all else is done."""
        async with Courier(self._target, self._promises, self._seed) as courier:
            await self._send_transcript(courier, transcripts(len(self._calls)), 0.0)

    async def _send_call(self, courier: Courier, call: DrillCall, begins_in: float) -> None:
        await asyncio.sleep(begins_in)
        organisation = self._world[call.organisation]
        rep = organisation.reps[call.rep]
        template_id = organisation.templates[call.call.template]
        self.started += 1
        session_id = None
        if call.prepared:
            body = {"template_id": str(template_id)}
            made = await courier.request(rep, "/api/sessions", body)
            session_id = self._promises.sessions[call.number] = UUID(made["id"])
        subject = Subject(organisation.id, rep.id, template_id, session_id)
        postings = sendings(call, subject, self._run, now(), self._seed)
        self.held_back += [each for each in postings if each.offset is None]
        for each in postings:
            self._promises.open[each.key] += 1 if each.offset is not None else 0
        await asyncio.gather(
            *(self._deliver(courier, each) for each in postings if each.offset is not None)
        )

    async def _send_transcript(self, courier: Courier, number: int, pace_seconds: float) -> None:
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
        made = await courier.request(organisation.manager, path, body)
        self._promises.transcripts.append(UUID(made["job_id"]))

    async def _deliver(self, courier: Courier, sending: Sending) -> None:
        await asyncio.sleep(sending.offset or 0.0)
        await courier.deliver(sending.key, sending.body)
        self._promises.accepted[sending.key] += 1
        if sending.offset is not None:
            self._promises.open[sending.key] -= 1


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
