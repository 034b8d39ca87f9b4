import pytest
from pydantic import TypeAdapter, ValidationError

from clozone.accounts.fields import Name

names = TypeAdapter(Name)


@pytest.mark.parametrize(
    "text",
    [
        "Ada Lovelace",
        "Zoë O\u2019Brien-Núñez",
        "李小龙",
        "محمد",
        "\u200fשרה",  # a mark of direction only says how its neighbours run
        "می\u200cخواهم",  # Persian spells with it
        "👩\u200d💻 Team",
    ],
)
def test_names_of_all_scripts_fit(text):
    assert names.validate_python(f"  {text}\n") == text


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b", " \u200d\u200b ", "\ufeff", "\u2060\u00ad \u200e"]
)
def test_a_name_that_shows_nothing_is_none(text):
    with pytest.raises(ValidationError):
        names.validate_python(text)


@pytest.mark.parametrize(
    "character",
    [
        *("\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x80", "\x85", "\x9f", "\u2028", "\u2029"),
        *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e"),
        *("\u2066", "\u2067", "\u2068", "\u2069"),
    ],
)
def test_what_breaks_the_line_or_its_order_is_in_no_name(character):
    with pytest.raises(ValidationError, match="control characters"):
        names.validate_python(f"Ada{character}Lovelace")
