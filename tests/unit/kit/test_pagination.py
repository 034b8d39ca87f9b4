import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from clozone.kit.errors import Invalid
from clozone.kit.ids import new_id
from clozone.kit.pagination import Page, PageQuery, Position, decode_cursor, encode_cursor, page_of

PLACE = Position(
    datetime(2026, 11, 3, 9, 30, 0, 123456, tzinfo=UTC),
    UUID("0199e4f0-0000-7000-8000-00000000000a"),
)


@dataclass
class Row:
    created_at: datetime
    id: UUID


def place_of(row: Row) -> Position:
    return Position(row.created_at, row.id)


def test_a_cursor_leads_back_to_its_place_to_the_microsecond():
    assert decode_cursor(encode_cursor(PLACE, "users"), "users") == PLACE


def changed(cursor: str, index: int) -> str:
    other = "A" if cursor[index] != "A" else "B"
    return cursor[:index] + other + cursor[index + 1 :]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "not a cursor",
        "ünïcode",
        "=" * 40,
        base64.urlsafe_b64encode(b'["2026-11-03", "no id"]').decode(),
        encode_cursor(PLACE, "users")[:-4],
        changed(encode_cursor(PLACE, "users"), 3),
        changed(encode_cursor(PLACE, "users"), 40),
        encode_cursor(PLACE, "templates"),
    ],
)
def test_broken_and_foreign_cursors_are_refused_with_the_field(cursor):
    with pytest.raises(Invalid) as refusal:
        decode_cursor(cursor, "users")
    assert refusal.value.fields["errors"][0]["field"] == "cursor"


def test_a_query_without_cursor_begins_at_the_top():
    assert PageQuery().position("users") is None
    assert PageQuery(cursor=encode_cursor(PLACE, "users")).position("users") == PLACE


def test_the_row_beyond_the_limit_only_says_that_there_is_more():
    rows = [Row(PLACE.created_at, new_id()) for _ in range(3)]
    page = page_of(rows, 2, "rows", place_of)
    assert page.items == rows[:2]
    assert page.next_cursor is not None
    assert decode_cursor(page.next_cursor, "rows") == place_of(rows[1])


def test_the_last_page_has_no_cursor():
    rows = [Row(PLACE.created_at, new_id()) for _ in range(2)]
    assert page_of(rows, 2, "rows", place_of).next_cursor is None
    empty: Page[Row] = page_of([], 2, "rows", place_of)
    assert (empty.items, empty.next_cursor) == ([], None)
