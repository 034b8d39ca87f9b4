"""What is remembered of an outage, and of a secret that should be out of use by now."""

from collections.abc import Iterator

import pytest
from loguru import logger

from clozone.webhooks.outage import PATIENCE_SECONDS, Outage
from clozone.webhooks.rotation import NOTICE_SECONDS, RotationNotice
from clozone.webhooks.signature import Secret


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The messages logged during the test, with their facts."""
    found: list[str] = []
    sink = logger.add(lambda message: found.append(str(message)), format="{message} {extra}")
    yield found
    logger.remove(sink)


def test_without_an_outage_everybody_tries(clock: Clock):
    outage = Outage(clock)
    assert not outage.lasts
    assert all(outage.may_try() for _ in range(5))


def test_in_an_outage_one_tries_at_a_time(clock: Clock):
    outage = Outage(clock)
    outage.begins(OSError())
    assert outage.lasts
    assert [outage.may_try() for _ in range(3)] == [False] * 3
    clock.seconds += PATIENCE_SECONDS
    assert [outage.may_try() for _ in range(3)] == [True, False, False]
    clock.seconds += PATIENCE_SECONDS
    assert [outage.may_try() for _ in range(3)] == [True, False, False]


def test_one_success_ends_it(clock: Clock):
    outage = Outage(clock)
    outage.begins(OSError())
    outage.ends()
    assert not outage.lasts
    assert all(outage.may_try() for _ in range(5))


def test_each_outage_is_told_once(clock: Clock, lines: list[str]):
    outage = Outage(clock)
    for _ in range(3):
        outage.begins(TimeoutError())
    for _ in range(3):
        outage.ends()
    outage.begins(OSError())
    away, back = "PostgreSQL is away: webhooks go to", "PostgreSQL is back: webhooks go there"
    assert [line.startswith((away, back)) for line in lines] == [True] * 3
    assert [away in line for line in lines] == [True, False, True]


def test_the_previous_secret_is_told_once_a_minute(clock: Clock, lines: list[str]):
    notice = RotationNotice(clock)
    for _ in range(5):
        notice.note(Secret.previous)
        notice.note(Secret.current)
    assert len(lines) == 1
    clock.seconds += NOTICE_SECONDS - 1
    notice.note(Secret.previous)
    assert len(lines) == 1
    clock.seconds += 1
    notice.note(Secret.previous)
    first, second = lines
    assert "the previous webhook secret is still in use" in first
    assert ("'webhooks': 1}" in first, "'webhooks': 6}" in second) == (True, True)


def test_the_current_secret_is_nothing_to_tell(clock: Clock, lines: list[str]):
    notice = RotationNotice(clock)
    for _ in range(5):
        notice.note(Secret.current)
        clock.seconds += NOTICE_SECONDS
    assert lines == []
