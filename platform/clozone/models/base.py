"""What every table shares."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import peewee
from playhouse.postgres_ext import DateTimeTZField

from clozone.infra.postgres import database
from clozone.kit.clock import now
from clozone.kit.ids import new_id


class Row(peewee.Model):
    """A row of our database."""

    class Meta:
        database = database
        legacy_table_names = False


class Table(Row):
    """A table whose primary key is a UUIDv7 made by the application."""

    id = peewee.UUIDField(primary_key=True, default=new_id)


class TimestampField(DateTimeTZField):  # type: ignore[misc]
    """An aware UTC time (timestamptz)."""

    if TYPE_CHECKING:  # playhouse carries no types

        def __get__(self, instance: Any, owner: Any) -> Any: ...

        def __set__(self, instance: Any, value: datetime | None) -> None: ...

    def python_value(self, value: Any) -> datetime | None:
        """PostgreSQL already answers with an aware datetime."""
        return value  # type: ignore[no-any-return]


def time_of_writing() -> TimestampField:
    """A column that defaults to the time the row is made."""
    return TimestampField(default=now)
