"""Waits for the database, counted by pool and by request."""

from clozone.infra.pool_waits import BUCKETS, PoolWaits, RequestWait, request_wait


def test_waits_are_counted_summed_and_sorted_by_length() -> None:
    waits = PoolWaits()
    for seconds in (0.0, 0.001, 0.002, 0.3, 7.0):
        waits.add(seconds)
    assert (waits.count, waits.longest_seconds, waits.refused) == (5, 7.0, 0)
    assert round(waits.seconds, 6) == 7.303
    assert waits.buckets == [2, 1, 0, 0, 0, 0, 0, 1, 0, 1]
    assert len(waits.buckets) == len(BUCKETS) + 1


def test_who_gave_up_is_counted_apart() -> None:
    waits = PoolWaits()
    waits.refuse(2.0)
    assert (waits.count, waits.refused, sum(waits.buckets)) == (0, 1, 0)


def test_a_request_knows_the_sum_of_its_waits() -> None:
    token = request_wait.set(wait := RequestWait())
    try:
        PoolWaits().add(0.25)
        PoolWaits().refuse(0.5)
    finally:
        request_wait.reset(token)
    PoolWaits().add(1.0)
    assert wait.seconds == 0.75
