import pytest
from pydantic import ValidationError

from clozone.kit.rates import Rate, read_rate
from clozone.settings import Settings


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100 per 15 minutes", Rate(100, 900)),
        ("1000000 per minute", Rate(1_000_000, 60)),
        ("5/second", Rate(5, 1)),
        (" 10 / 2 Hours ", Rate(10, 7_200)),
        ("3 per day", Rate(3, 86_400)),
    ],
)
def test_rates_are_read_as_people_write_them(text, rate):
    assert read_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        *("", "many", "100", "0 per minute", "-3 per minute", "10 per 0 minutes"),
        *("10 per fortnight", "1.5 per minute", "10 per minute; 100 per hour"),
        "9999999999 per minute",
    ],
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="for instance `100 per 15 minutes`"):
        read_rate(text)


def test_a_bad_limit_ends_a_process_at_its_start_and_names_the_variable():
    with pytest.raises(ValidationError, match=r"rate_limit_user\n.*'often' is no rate"):
        Settings(rate_limit_user="often")
