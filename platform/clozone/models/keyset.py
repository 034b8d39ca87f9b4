"""The order and the start of a keyset page, in SQL."""

from typing import Any

from peewee import EnclosedNodeList

from clozone.kit.pagination import Position


def page(query: Any, model: Any, after: Position | None, limit: int) -> Any:
    """`query` cut to one page of `model`, newest first, and one row more to see if others follow.

    The row comparison lets an index on (…, created_at DESC, id DESC) start at the place itself.
    """
    if after is not None:
        columns = EnclosedNodeList([model.created_at, model.id])
        start = EnclosedNodeList(
            [
                model.created_at.to_value(after.created_at),
                model.id.to_value(after.id),
            ]
        )
        query = query.where(columns < start)
    return query.order_by(model.created_at.desc(), model.id.desc()).limit(limit + 1)
