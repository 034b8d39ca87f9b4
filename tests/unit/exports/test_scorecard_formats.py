"""Numbers and times as the page writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from clozone.exports.scorecard.formats import clip, clock, day_and_time, number, percent
from clozone.exports.scorecard.typeface import REGULAR, clean, runs


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "00:00"), (75.9, "01:15"), (3_599, "59:59"), (3_725, "1:02:05"), (-3, "00:00")],
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def test_days_are_told_in_utc():
    moment = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    assert day_and_time(moment) == "28 Feb 2026, 22:30 UTC"
    assert day_and_time(datetime(2026, 12, 9, 7, 5, tzinfo=UTC)) == "9 Dec 2026, 07:05 UTC"


@pytest.mark.parametrize(("value", "shown"), [(22.5, "22.5"), (24.0, "24"), (0, "0"), (9.96, "10")])
def test_number(value, shown):
    assert number(value) == shown


def test_percent():
    assert percent(0.432) == "43%"


def test_clip_keeps_to_its_limit():
    assert clip("short", 5) == "short"
    assert clip("a longer text", 9) == "a longer…"


def test_clean_composes_and_drops_what_is_invisible():
    assert clean("e\u0301 a\x00b\n\tc \u202ed\u200b ✓\ufe0f \ud800") == "é a b c d ✓ \ufffd"


def test_runs_change_the_font_only_where_needed():
    assert runs("Hi 日本, ok", REGULAR) == [
        (REGULAR, "Hi "),
        ("WenQuanYiMicroHei", "日本"),
        (REGULAR, ", ok"),
    ]
    assert runs("a 👩‍👩‍👧 b", REGULAR) == [(REGULAR, "a "), (REGULAR, "□"), (REGULAR, " b")]
