"""What a server's Retry-After comes to."""

from datetime import timedelta
from email.utils import format_datetime

import pytest

from clozone.kit.clock import now
from clozone.kit.http import LONGEST_RETRY_AFTER_SECONDS, retry_after_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("999999999", LONGEST_RETRY_AFTER_SECONDS),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", None),
        ("Wed, 99999999999999999999 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_seconds_or_a_date_within_bounds(text: str, seconds: float | None):
    assert retry_after_seconds({"retry-after": text}) == seconds


def test_a_date_to_come():
    later = format_datetime(now() + timedelta(minutes=5), usegmt=True)
    assert 200 < (retry_after_seconds({"retry-after": later}) or 0) <= 300
    assert retry_after_seconds({}) is None
