"""The circuit breaker: closed → open → half-open → closed, or open for longer."""

from datetime import UTC, datetime, timedelta

from clozone.notifications.circuit import (
    LONGEST_FAILING,
    OPEN_SECONDS,
    QUIET,
    THRESHOLD,
    Circuit,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def failing(times, circuit=None, moment=NOON, **options):
    """The circuit after so many failures, each the one that was let through."""
    circuit = circuit or Circuit()
    for _ in range(times):
        circuit = circuit.after_failure(moment, probe=circuit.open_until is not None, **options)
    return circuit


def opened_for(circuit):
    return (circuit.open_until - NOON).total_seconds()


def test_it_stays_closed_below_the_threshold_and_opens_at_it():
    assert Circuit().state(NOON) == "closed"
    assert failing(THRESHOLD - 1).state(NOON) == "closed"

    circuit = failing(THRESHOLD)

    assert circuit.state(NOON) == "open"
    assert opened_for(circuit) == OPEN_SECONDS[0]
    assert circuit.state(circuit.open_until) == "half_open"


def test_each_probe_that_fails_opens_it_for_longer_up_to_a_bound():
    waits = [opened_for(failing(THRESHOLD + number)) for number in range(len(OPEN_SECONDS) + 3)]

    assert waits == [*OPEN_SECONDS, *[OPEN_SECONDS[-1]] * 3]


def test_what_was_under_way_when_it_opened_changes_nothing():
    circuit = failing(THRESHOLD)

    assert circuit.after_failure(NOON, probe=False) == circuit


def test_patience_that_is_asked_for_opens_it_at_once():
    circuit = failing(1, retry_after=30.0)

    assert opened_for(circuit) == 30
    assert failing(THRESHOLD, retry_after=1.0).open_until == failing(THRESHOLD).open_until


def test_more_patience_lengthens_a_pause_and_less_does_not_shorten_it():
    circuit = failing(1, retry_after=60.0)
    later = NOON + timedelta(seconds=10)

    longer = circuit.after_failure(later, probe=False, retry_after=600.0)

    assert longer.open_until == later + timedelta(seconds=600)
    assert longer.failures == 1
    assert circuit.after_failure(later, probe=False, retry_after=5.0) == circuit


def test_a_success_closes_it():
    circuit = failing(THRESHOLD)

    assert circuit.after_success(NOON + timedelta(seconds=1)) == Circuit()
    assert failing(1).after_success(NOON - timedelta(seconds=1)) == Circuit()


def test_what_was_sent_before_a_pause_began_does_not_end_it():
    for circuit in (failing(1, retry_after=30.0), failing(THRESHOLD)):
        assert circuit.after_success(NOON - timedelta(seconds=1)) == circuit


def test_a_failing_probe_after_a_pause_that_was_asked_for_closes_it_below_the_threshold():
    circuit = failing(1, failing(1, retry_after=30.0))

    assert (circuit.failures, circuit.state(NOON)) == (2, "closed")


def test_after_a_silence_failures_are_counted_anew():
    later = NOON + QUIET + timedelta(seconds=1)

    circuit = failing(1, failing(THRESHOLD), later)

    assert (circuit.failures, circuit.failing_since) == (1, later)
    assert circuit.state(later) == "closed"


def test_it_is_beyond_hope_after_days_of_nothing_but_failures():
    circuit = failing(1)

    later = failing(3, circuit, NOON + timedelta(days=1))

    assert later.failing_since == NOON
    assert not later.beyond_hope(NOON + LONGEST_FAILING - timedelta(seconds=1))
    assert later.beyond_hope(NOON + LONGEST_FAILING)
    assert not Circuit().beyond_hope(NOON + LONGEST_FAILING)
