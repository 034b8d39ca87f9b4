"""What leaves as JSON."""

import json
from datetime import UTC, date, datetime
from uuid import UUID

from clozone.web.encoding import dumps
from clozone.web.schema import ResponseModel


class Day(ResponseModel):
    day: date
    seen_at: datetime


def test_days_and_times_are_written_as_the_document_promises() -> None:
    day = Day(day=date(2026, 1, 31), seen_at=datetime(2026, 1, 31, 9, 5, tzinfo=UTC))

    assert json.loads(dumps([day])) == [
        {"day": "2026-01-31", "seen_at": "2026-01-31T09:05:00.000Z"}
    ]


def test_sets_are_written_in_order() -> None:
    ids = {UUID(int=2), UUID(int=1)}

    assert json.loads(dumps(ids)) == [str(UUID(int=1)), str(UUID(int=2))]
