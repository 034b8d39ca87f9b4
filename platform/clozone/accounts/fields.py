"""Field types that requests about people share."""

from datetime import datetime
from typing import Annotated, Any, Final
from unicodedata import category

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

from clozone.accounts.passwords import MAX_LENGTH, MIN_LENGTH

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2200
_BREAKS = {"Cc", "Zl", "Zp"}  # C0, DEL and C1, line and paragraph separators
_UNSEEN = {"Cf", "Zs"}  # zero-width characters and other format characters, spaces
# Embeddings, overrides and isolates: they make a name read otherwise than it is stored.
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _email(text: str) -> str:
    local, at, domain = text.partition("@")
    fits = local and at and "." in domain.strip(".") and "@" not in domain
    if not (fits and text.isascii() and text.isprintable() and " " not in text):
        raise PydanticCustomError(
            "email", "is not an e-mail address (name@example.com, ASCII only)"
        )
    return text


def _one_plain_line(text: str) -> str:
    if any(category(character) in _BREAKS or character in _BIDI for character in text):
        raise PydanticCustomError(
            "control_characters", "holds line breaks or other control characters"
        )
    # Joiners and marks belong to the spelling of some scripts, but alone they show nothing.
    if not any(category(character) not in _UNSEEN for character in text):
        raise PydanticCustomError("empty", "holds nothing that can be seen")
    return text


def _within_reach(moment: datetime) -> datetime:
    # At the far end of the calendar a change of time zone leaves what Python can hold.
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise PydanticCustomError(
            "year",
            "must lie in the years {first} to {last}",
            {"first": FIRST_YEAR, "last": LAST_YEAR},
        )
    return moment


def _strong(password: SecretStr) -> SecretStr:
    length = len(password.get_secret_value())
    if length < MIN_LENGTH:
        raise PydanticCustomError(
            "password_short",
            "is too short: a password has at least {least} characters",
            {"least": MIN_LENGTH},
        )
    if length > MAX_LENGTH:
        raise PydanticCustomError(
            "password_long",
            "is too long: a password has at most {most} characters",
            {"most": MAX_LENGTH},
        )
    return password


Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, max_length=254),
    AfterValidator(_email),
    Field(json_schema_extra={"format": "email"}),
]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120),
    AfterValidator(_one_plain_line),
]
Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]
NewPassword = Annotated[
    SecretStr,
    AfterValidator(_strong),
    Field(json_schema_extra={"minLength": MIN_LENGTH, "maxLength": MAX_LENGTH}),
]


def unchanged() -> Any:
    """Default of a field that may be left out of a change but may not be null.

    As a default factory it shows in no schema; what was sent is in `model_fields_set`.
    """
    return None
