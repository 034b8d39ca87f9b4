from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.llm.budget import window, window_end

moments = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)
)
periods = st.sampled_from(["day", "month"])


@pytest.mark.parametrize(
    ("period", "starts_on", "ends"),
    [
        ("day", date(2028, 2, 29), datetime(2028, 3, 1, tzinfo=UTC)),
        ("month", date(2028, 2, 1), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
def test_days_and_months_are_those_of_utc(period, starts_on, ends):
    # In Auckland it is the first of March already.
    moment = datetime(2028, 3, 1, 9, tzinfo=timezone(timedelta(hours=13)))
    assert window(period, moment) == starts_on
    assert window_end(period, moment) == ends


@given(period=periods, moment=moments)
def test_a_window_ends_where_the_next_begins(period, moment):
    end = window_end(period, moment)
    assert end > moment
    assert window(period, end) == end.date() != window(period, moment)
    assert window(period, end - timedelta(microseconds=1)) == window(period, moment)
