"""What Vapi sends for a call, when, in which order and how often: duplicated, reordered, late."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from clozone.demo.content import Delivery
from clozone.demo.vapi_messages import deliveries
from clozone.drill.calls import DrillCall

Json = dict[str, Any]
# Call id, message type, status: what tells the drill's messages apart without the platform's help.
Key = tuple[str, str, str]

DUPLICATE_SHARE = 0.3
REORDERED_SHARE = 0.5
LONGEST_STEP_SECONDS = 0.8


class Repeat(Enum):
    """When a message is sent again; the values are the least and greatest delay in seconds."""

    AT_ONCE = (0.0, 0.0)
    SOON = (0.1, 3.0)
    LATE = (5.0, 25.0)
    LONG_AFTER = (-1.0, -1.0)


# The last is sent when everything has come to rest, to be taken for what it is: old news.
_REPEATS = (Repeat.AT_ONCE, Repeat.SOON, Repeat.LATE, Repeat.LONG_AFTER)
_WEIGHTS = (40, 30, 20, 10)


@dataclass(frozen=True, slots=True)
class Sending:
    """One posting of one message. `offset`: seconds from the call's turn; None: after the quiet."""

    key: Key
    body: Json
    offset: float | None


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose call it is. `session_id` is None where the webhook has to make the session."""

    org_id: UUID
    user_id: UUID
    template_id: UUID
    session_id: UUID | None


def call_key(run: str, call: DrillCall) -> str:
    """A name for the call that no other drill on the same bundle gives."""
    return f"{run}-{call.number}"


def call_id(run: str, call: DrillCall) -> str:
    """The id that Vapi gives the call."""
    return str(uuid5(NAMESPACE_URL, call_key(run, call)))


def sendings(
    call: DrillCall, subject: Subject, run: str, started_at: datetime, seed: int
) -> list[Sending]:
    """Every posting of the call's messages. The same arguments give the same postings."""
    chance = random.Random(f"script {seed} {call.number}")
    script = _script(chance)
    # Twice, because Vapi signs the addresses in a repeated message anew.
    doubled = call.call.model_copy(update={"deliveries": (*script, *script)})
    bodies = deliveries(
        doubled,
        # The call's id is made from this; whether it also names a session is decided below.
        session_id=call_key(run, call),
        org_id=str(subject.org_id),
        user_id=str(subject.user_id),
        template_id=str(subject.template_id),
        assignment_id=None,
        started_at=started_at - timedelta(seconds=call.call.duration_seconds),
    )
    for body in bodies:
        _name_session(body, subject.session_id)
    first, again = bodies[: len(script)], bodies[len(script) :]
    offsets = _offsets(len(script), chance)
    made = []
    for body, repeated, offset in zip(first, again, offsets, strict=True):
        made.append(Sending(key_of(body), body, offset))
        made += [Sending(key_of(body), repeated, at) for at in _repeats(offset, chance)]
    return made


def key_of(body: Json) -> Key:
    """What tells this message from every other of the drill."""
    message = body["message"]
    return message["call"]["id"], message["type"], str(message.get("status", ""))


def _script(chance: random.Random) -> list[Delivery]:
    kinds: list[Json] = [
        {"type": "status-update", "status": "queued"},
        {"type": "status-update", "status": "ringing"},
        {"type": "status-update", "status": "in-progress"},
        {"type": "speech-update"},
        {"type": "conversation-update", "turns": 2},
        {"type": "status-update", "status": "ended"},
        {"type": "hang"},
        {"type": "end-of-call-report"},
    ]
    shares = (0.2, 0.3, 1.0, 0.1, 0.1, 0.7, 0.1, 1.0)
    return [
        Delivery.model_validate(kind)
        for kind, share in zip(kinds, shares, strict=True)
        if chance.random() < share
    ]


def _name_session(body: Json, session_id: UUID | None) -> None:
    call = body["message"]["call"]
    holder = call if "metadata" in call else call["assistantOverrides"]
    metadata = {key: value for key, value in holder["metadata"].items() if key != "session_id"}
    holder["metadata"] = metadata | ({"session_id": str(session_id)} if session_id else {})


def _offsets(count: int, chance: random.Random) -> list[float]:
    clock, offsets = 0.0, []
    for _ in range(count):
        offsets.append(clock)
        clock += chance.uniform(0.0, LONGEST_STEP_SECONDS)
    if chance.random() < REORDERED_SHARE:
        chance.shuffle(offsets)
    return offsets


def _repeats(offset: float, chance: random.Random) -> Iterator[float | None]:
    while chance.random() < DUPLICATE_SHARE:
        (repeat,) = chance.choices(_REPEATS, _WEIGHTS)
        least, most = repeat.value
        yield None if repeat is Repeat.LONG_AFTER else offset + chance.uniform(least, most)


def is_reordered(postings: list[Sending]) -> bool:
    """Whether the first postings of the messages are not in the order in which Vapi wrote them."""
    firsts: dict[Key, float] = {}
    for sending in postings:
        firsts.setdefault(sending.key, sending.offset or 0.0)
    return any(later < earlier for earlier, later in pairwise(firsts.values()))
