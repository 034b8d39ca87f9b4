from datetime import datetime
from enum import StrEnum
from uuid import UUID

import pytest
from pydantic import AwareDatetime, Field, SecretStr
from werkzeug.datastructures import MultiDict

from clozone.kit.errors import Invalid
from clozone.web.schema import RequestModel
from clozone.web.validation import read_query, refuse_nul, validated


class Colour(StrEnum):
    red = "red"


class Item(RequestModel):
    weight: int = Field(ge=0)


class Body(RequestModel):
    id: UUID
    password: SecretStr = SecretStr("")
    items: list[Item] = Field(default_factory=list)
    colour: Colour | None = None
    at: AwareDatetime | None = None


class Filter(RequestModel):
    status: str | None = None
    since: datetime | None = Field(None, alias="from")
    tag: list[str] = Field(default_factory=list)


def findings(sent: dict) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        validated(lambda: Body.model_validate(sent))
    return {finding["field"]: finding["message"] for finding in caught.value.fields["errors"]}


def test_fields_are_named_as_people_write_paths():
    found = findings({"id": "nope", "items": [{"weight": 1}, {"weight": -1, "wieght": 2}]})
    assert found == {
        "id": "is not a valid id",
        "items[1].weight": "should be greater than or equal to 0",
        "items[1].wieght": "is not a known field",
    }


def test_a_missing_field_is_said_to_be_required():
    assert findings({})["id"] == "is required"


def test_what_was_sent_is_never_repeated():
    secret = "hunter2-hunter2"
    sent = {
        "id": secret,
        "password": {"x": secret},
        "colour": secret,
        "items": secret,
        "at": secret,
    }
    with pytest.raises(Invalid) as caught:
        validated(lambda: Body.model_validate(sent))
    assert secret not in str(caught.value.fields) + caught.value.detail
    assert len(caught.value.fields["errors"]) == 5


def test_a_time_without_zone_says_what_it_needs():
    sent = {"id": "0199e4f0-0000-7000-8000-000000000000", "at": "2026-11-24T10:00:00"}
    assert findings(sent) == {"at": "needs a time zone, for instance Z"}


def test_query_fields_are_read_by_alias_and_lists_by_repetition():
    query = read_query(Filter, MultiDict([("from", "2026-11-24"), ("tag", "a"), ("tag", "b")]))
    assert query.since == datetime(2026, 11, 24)
    assert query.tag == ["a", "b"]


@pytest.mark.parametrize(
    ("args", "field", "message"),
    [
        ([("stauts", "x")], "stauts", "is not a known field"),
        ([("status", "a"), ("status", "b")], "status", "is given more than once"),
        ([("status", "a\0b")], "status", "must not contain a NUL character"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(args, field, message):
    with pytest.raises(Invalid) as caught:
        read_query(Filter, MultiDict(args))
    assert caught.value.fields["errors"] == [{"field": field, "message": message}]


@pytest.mark.parametrize(
    ("value", "field"),
    [({"a": {"b": ["x", "y\0"]}}, "a.b[1]"), ({"a": {"b\0": 1}}, "a"), ("\0", "")],
)
def test_nul_characters_are_found_at_any_depth(value, field):
    with pytest.raises(Invalid) as caught:
        refuse_nul(value)
    assert [finding["field"] for finding in caught.value.fields["errors"]] == [field]


def test_text_without_nul_passes():
    refuse_nul({"a": ["x", 1, None, {"b": "\\u0000"}]})
