from datetime import UTC, datetime, timedelta

from clozone.drill.incidents import Incidents, both, seconds_within
from clozone.drill.schedule import Act


def at(second: float) -> datetime:
    return datetime(2026, 11, 24, tzinfo=UTC) + timedelta(seconds=second)


def test_overlapping_absences_count_once() -> None:
    spans = [(at(1), at(4)), (at(2), at(3)), (at(3), at(6)), (at(9), at(12))]
    assert seconds_within(at(0), at(10), spans) == 6.0


def test_absences_outside_do_not_count() -> None:
    assert seconds_within(at(5), at(6), [(at(0), at(5)), (at(6), at(9))]) == 0.0


def test_both_away_is_where_two_absences_meet() -> None:
    spans = both([(at(0), at(5)), (at(8), at(9))], [(at(4), at(8.5))])
    assert spans == [(at(4), at(5)), (at(8), at(8.5))]
    assert both([(at(0), at(1))], [(at(1), at(2))]) == []


def test_who_is_not_back_is_away_until_asked() -> None:
    incidents = Incidents()
    incidents.note(Act.kill, "worker", at(1), pid=7).ended_at = at(2)
    incidents.note(Act.freeze, "worker", at(4), pid=8)
    incidents.note(Act.wipe, "valkey", at(5))
    assert incidents.absences("worker", at(9)) == [(at(1), at(2)), (at(4), at(9))]
    assert incidents.absences("valkey", at(9)) == []
    assert incidents.kills() == {"worker": 1}
    assert incidents.count(Act.freeze) == 1
