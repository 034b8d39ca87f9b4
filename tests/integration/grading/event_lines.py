"""Reading server-sent events."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2


def events(answer: httpx2.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event as it arrives."""
    name = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)
