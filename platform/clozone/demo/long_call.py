"""A very long call from written fragments: the same material always gives the same talk."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, cycle
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

Speaker = Literal["rep", "customer"]
Line = tuple[Speaker, str]


class _Material(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SaidLine(_Material):
    """One line of the opening or the closing."""

    speaker: Speaker
    text: str


class Topic(_Material):
    """A stretch of talk about one thing; the lines alternate and the rep begins."""

    thing: str
    lines: tuple[str, ...]


class Aside(_Material):
    """A small exchange that fits anywhere; `{thing}` and `{Thing}` name the topic."""

    rep: str
    customer: str


class LongCall(_Material):
    """The material: an opening, topics with asides strewn in, a closing; and the pace."""

    seed: int
    words_per_second: PositiveFloat
    asides_per_topic: PositiveInt
    opening: tuple[SaidLine, ...]
    topics: tuple[Topic, ...]
    asides: tuple[Aside, ...]
    closing: tuple[SaidLine, ...]


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    """A line with its times, in seconds from the start of the call."""

    speaker: Speaker
    text: str
    start: float
    end: float


def expand(material: LongCall) -> list[SpokenTurn]:
    """Every turn of the call, with times."""
    chance = random.Random(material.seed)
    asides = cycle(chance.sample(material.asides, len(material.asides)))
    talk = (
        _topic_lines(topic, material.asides_per_topic, asides, chance) for topic in material.topics
    )
    lines = chain(_said(material.opening), *talk, _said(material.closing))
    return list(_timed(lines, material.words_per_second, chance))


def _said(lines: tuple[SaidLine, ...]) -> list[Line]:
    return [(line.speaker, line.text) for line in lines]


def _topic_lines(
    topic: Topic, asides_wanted: int, asides: Iterator[Aside], chance: random.Random
) -> list[Line]:
    # An aside follows an answer, so that the two sides keep taking turns.
    exchanges = [
        (topic.lines[index], topic.lines[index + 1]) for index in range(0, len(topic.lines), 2)
    ]
    for _ in range(asides_wanted):
        aside = next(asides)
        names = {"thing": topic.thing, "Thing": topic.thing[0].upper() + topic.thing[1:]}
        spot = chance.randint(1, len(exchanges))
        exchanges.insert(spot, (aside.rep.format(**names), aside.customer.format(**names)))
    lines: list[Line] = []
    for asked, answered in exchanges:
        lines += [("rep", asked), ("customer", answered)]
    return lines


def _timed(
    lines: Iterator[Line] | chain[Line], words_per_second: float, chance: random.Random
) -> Iterator[SpokenTurn]:
    clock = 0.8
    for speaker, text in lines:
        seconds = len(text.split()) / words_per_second * chance.uniform(0.9, 1.1)
        yield SpokenTurn(speaker, text, round(clock, 2), round(clock + seconds, 2))
        clock += seconds + chance.uniform(0.4, 1.8)
