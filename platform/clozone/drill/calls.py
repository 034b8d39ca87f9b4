"""The calls of a drill: the demonstration's, made longer or shorter, each in words of its own.

Everything follows from the seed. Contents differ between calls, so that what was paid for each can
be counted, except for twins: two calls with the same words, of which one answer must serve both.
"""

import random
from dataclasses import dataclass
from enum import Enum

from clozone.demo.content import DemoCall, DemoTurn, Payload, demo_calls

TWIN_SHARE = 0.04
NOT_GRADABLE_SHARE = 0.08
LONGEST_ADDITION = 24
NEAREST_TWINS = 6
WORDS_PER_SECOND = 2.8
# The written call without an id cannot be told from others in the inbox; the very long one is a
# test of reading, not of durability.
LEFT_OUT = frozenset({"15-very-long", "17-no-call-id"})

_SUBJECTS = ("the pilot", "the second site", "the returns desk", "the night shift", "the audit")
_ASIDES = (
    "Before I forget: how does {subject} look this week, with order {number} still open?",
    "And {subject}, is that still on track for week {number}?",
    "I noted {number} for {subject}; is that figure right?",
)
_ANSWERS = (
    "It is, more or less. Call it {number} and we are close.",
    "Not quite. {number} would be nearer to what we see.",
    "Ask me again on the {number}th, I have to look that up.",
)


class Sort(Enum):
    """What a call is there for."""

    GRADABLE = "gradable"
    NOT_GRADABLE = "not gradable"
    TWIN = "twin"


@dataclass(frozen=True, slots=True)
class DrillCall:
    """One call. `organisation` and `rep` are indices; `prepared`: its session is started by the API.

    `twin_of` is the number of the earlier call with the same words.
    """

    number: int
    call: DemoCall
    organisation: int
    rep: int
    prepared: bool
    twin_of: int | None = None

    @property
    def gradable(self) -> bool:
        """Whether it has to end with a grade."""
        return self.call.expected.status == "completed"

    @property
    def content(self) -> int:
        """What twins share: the number of the first call with these words."""
        return self.number if self.twin_of is None else self.twin_of


def drill_calls(wanted: int, organisations: int, reps: int, seed: int) -> list[DrillCall]:
    """`wanted` calls; the same arguments give the same calls."""
    chance = random.Random(f"calls {seed}")
    written = [call for call in demo_calls() if call.key not in LEFT_OUT]
    gradable = [call for call in written if call.expected.status == "completed"]
    others = [call for call in written if call.expected.status != "completed"]
    made: list[DrillCall] = []
    for number, sort in enumerate(_sorts(wanted, chance)):
        rep, prepared = chance.randrange(reps), chance.random() < 0.5
        if sort is Sort.TWIN:
            # One of the latest, so that the two may be asked about at the same time.
            candidates = [call for call in made if call.gradable and call.twin_of is None]
            twin = chance.choice(candidates[-NEAREST_TWINS:])
            made.append(DrillCall(number, twin.call, twin.organisation, rep, prepared, twin.number))
            continue
        pool = gradable if sort is Sort.GRADABLE else others
        call = _own_words(chance.choice(pool), number, chance)
        made.append(DrillCall(number, call, chance.randrange(organisations), rep, prepared))
    return made


def _sorts(wanted: int, chance: random.Random) -> list[Sort]:
    """What sort of call each is. The first bring one of each, so that no drill is too short for it."""
    shares = (1 - TWIN_SHARE - NOT_GRADABLE_SHARE, NOT_GRADABLE_SHARE, TWIN_SHARE)
    return [*Sort, *chance.choices([*Sort], shares, k=wanted)][:wanted]


def _own_words(call: DemoCall, number: int, chance: random.Random) -> DemoCall:
    gradable = call.expected.status == "completed"
    additions = chance.randint(1, LONGEST_ADDITION) if gradable else 0
    turns = list(call.turns)
    for count in range(additions):
        # After a reply of the customer's, so that the sides keep taking turns.
        spots = [i for i, turn in enumerate(turns) if turn.speaker == "customer"]
        _insert(turns, chance.choice(spots) + 1, _exchange(number, count, chance))
    # An identifier is what Vapi always sends; without one the inbox cannot be checked call by call.
    shape = Payload.model_validate(call.payload.model_dump() | {"call_id": True})
    return call.model_copy(
        update={"title": f"{call.title} {number}", "turns": tuple(turns), "payload": shape}
    )


def _exchange(number: int, count: int, chance: random.Random) -> list[tuple[str, str]]:
    subject = chance.choice(_SUBJECTS)
    figure = number * 100 + count
    return [
        ("rep", chance.choice(_ASIDES).format(subject=subject, number=figure)),
        ("customer", chance.choice(_ANSWERS).format(number=chance.randint(3, 900))),
    ]


def _insert(turns: list[DemoTurn], spot: int, said: list[tuple[str, str]]) -> None:
    clock = turns[spot - 1].end + 0.4
    added = []
    for speaker, text in said:
        end = clock + len(text.split()) / WORDS_PER_SECOND
        added.append(
            DemoTurn.model_validate(
                {"speaker": speaker, "text": text, "start": round(clock, 2), "end": round(end, 2)}
            )
        )
        clock = end + 0.3
    shift = clock - turns[spot - 1].end
    later = [
        turn.model_copy(
            update={"start": round(turn.start + shift, 2), "end": round(turn.end + shift, 2)}
        )
        for turn in turns[spot:]
    ]
    turns[spot:] = [*added, *later]
