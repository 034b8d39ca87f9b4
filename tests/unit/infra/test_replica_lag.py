"""How far behind a replica is, from the primary's positions over time."""

from clozone.infra.replica_lag import HISTORY_SECONDS, LagGauge


def gauge(*seen: tuple[float, int]) -> LagGauge:
    gauge = LagGauge()
    for at, position in seen:
        gauge.saw_primary(at, position)
    return gauge


def test_nothing_is_known_before_the_primary_was_seen() -> None:
    assert gauge().lag(1.0, 100) is None


def test_a_replica_where_the_primary_is_has_no_lag() -> None:
    assert gauge((1.0, 100)).lag(1.0, 100) == 0.0
    assert gauge((1.0, 100)).lag(1.0, 120) == 0.0


def test_an_idle_primary_makes_no_lag() -> None:
    assert gauge((1.0, 100), (60.0, 100), (120.0, 100)).lag(120.0, 100) == 0.0


def test_lag_grows_from_the_last_moment_at_which_the_replica_had_everything() -> None:
    found = gauge((1.0, 100), (2.0, 150), (3.0, 200))
    assert found.lag(3.0, 100) == 2.0
    found.saw_primary(9.0, 300)
    assert found.lag(9.0, 100) == 8.0
    assert found.lag(9.0, 150) == 7.0
    assert found.lag(9.0, 300) == 0.0


def test_further_behind_than_anything_seen_is_not_known() -> None:
    assert gauge((1.0, 100), (2.0, 150)).lag(2.0, 99) is None


def test_a_silent_primary_makes_what_is_known_old() -> None:
    assert gauge((1.0, 100)).lag(7.0, 100) == 6.0


def test_a_primary_that_is_suddenly_behind_is_another_one() -> None:
    assert gauge((1.0, 100), (2.0, 50)).lag(2.0, 50) == 0.0


def test_history_is_bounded() -> None:
    found = gauge((1.0, 100), *((float(at), 100 + at) for at in range(2, 2_000)))
    assert found.lag(2_000.0, 100) is None
    assert found.lag(2_000.0, int(2_100 - HISTORY_SECONDS + 5)) is not None
