"""When a message is sent again."""

from clozone.jobs.kinds import KINDS
from clozone.notifications.schedule import (
    DELAYS,
    JITTER,
    LONGEST_SERIES,
    MOST_ATTEMPTS,
    delay_after,
)

AN_HOUR = 3_600.0


def test_a_series_lasts_about_a_day_and_its_waits_grow():
    assert 23 * AN_HOUR <= sum(DELAYS) <= 25 * AN_HOUR
    assert list(DELAYS) == sorted(DELAYS)
    assert sum(DELAYS) * (1 + JITTER) < LONGEST_SERIES.total_seconds()


def test_the_ledger_allows_as_many_attempts_as_the_schedule_has():
    assert KINDS["notifications.deliver"].max_attempts == MOST_ATTEMPTS == len(DELAYS) + 1


def test_each_wait_is_spread_around_its_place_in_the_schedule():
    for failures, delay in enumerate(DELAYS, start=1):
        waits = [delay_after(failures) for _ in range(200)]
        assert all(delay * (1 - JITTER) <= wait <= delay * (1 + JITTER) for wait in waits)
        assert len(set(waits)) > 100


def test_after_the_last_attempt_there_is_none():
    assert delay_after(MOST_ATTEMPTS) is None
    assert delay_after(MOST_ATTEMPTS, retry_after=60) is None


def test_nothing_is_sent_sooner_than_the_receiver_asked_for():
    assert delay_after(1, retry_after=90) == 90
    assert delay_after(4, retry_after=90) >= DELAYS[3] * (1 - JITTER)
