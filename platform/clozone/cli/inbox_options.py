"""The options of `clozone inbox` that say which deliveries are meant."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from clozone.cli.moments import MOMENT
from clozone.webhooks.selection import STATES, Selection

Command = Callable[..., None]

# Their names are the fields of Selection.
_FILTERS = {
    "ids": click.option("--id", "ids", type=click.UUID, multiple=True, help="These, by id."),
    "since": click.option("--since", type=MOMENT, help="Received then or later; 2h is ago."),
    "until": click.option("--until", type=MOMENT, help="Received before."),
    "states": click.option("--state", "states", type=click.Choice(STATES), multiple=True),
    "types": click.option("--type", "types", multiple=True, help="Of a message type."),
    "call_id": click.option("--call", "call_id", help="Of one call, by Vapi's id."),
    "org_id": click.option("--org", "org_id", type=click.UUID, help="Of one organisation."),
    "reason": click.option("--reason", help="Whose reason contains this."),
}
as_json_option = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")


def selecting(*, limited_to: str, default_limit: int | None = None) -> Callable[[Command], Command]:
    """Give a command the filters, `--limit` and `--json`; it gets `selection` and `as_json`.

    `limited_to` says which deliveries a limit leaves.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_selection(*, limit: int | None, **given: Any) -> None:
            filters = {name: given.pop(name) for name in _FILTERS}
            command(Selection(**filters, limit=limit), **given)

        limit = click.option(
            "--limit",
            type=click.IntRange(min=1),
            default=default_limit,
            show_default=default_limit is not None,
            help=limited_to,
        )
        decorated: Command = as_json_option(limit(with_selection))
        for option in reversed(_FILTERS.values()):
            decorated = option(decorated)
        return decorated

    return decorate
