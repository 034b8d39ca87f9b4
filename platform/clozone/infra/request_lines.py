"""The lines about requests, written past loguru.

At thousands a second, what loguru does for each line (the caller's frame, names of process and
thread, a lock, a flush) costs more than the request it tells of. These lines need none of it: one
place writes them, and those of one turn of the event loop leave together. Where they go to more than
standard output, or are for people to read, loguru writes them as any other.
"""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import orjson
from loguru import logger

from clozone.infra.log_lines import escape
from clozone.kit.clock import iso, now
from clozone.settings import Settings

_LEVELS = {"DEBUG": 10, "INFO": 20}


class RequestLines:
    """The writer of one process."""

    def __init__(self) -> None:
        self._direct = False
        self._least = 0
        self._same: dict[str, str] = {}
        self._lines: list[str] = []

    def configure(self, settings: Settings, process_name: str, *, pretty: bool) -> None:
        """Write as the settings say. `pretty`: standard output is for people."""
        self._direct = not pretty and settings.log_dir is None
        self._least = logger.level(settings.log_level.upper()).no
        every = {"message": "request", "name": __name__}
        process = {"process": process_name, "instance": settings.clozone_instance}
        for level in _LEVELS:
            self._same[level] = escape(_inside({"level": level} | every | process))

    def write(self, level: str, facts: Mapping[str, Any]) -> None:
        """One line. `level` is DEBUG or INFO; facts that are None are left out."""
        if not self._direct:
            logger.bind(**facts).log(level, "request")
        elif _LEVELS[level] >= self._least:
            own = _inside({key: value for key, value in facts.items() if value is not None})
            self._put(f'{{"time":"{iso(now())}",{self._same[level]},{escape(own)}}}')

    def _put(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_soon(self._flush)
            except RuntimeError:
                self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()


def _inside(members: Mapping[str, Any]) -> str:
    """The members of a JSON object, without its braces."""
    return orjson.dumps(members, default=repr).decode()[1:-1]


request_lines = RequestLines()
"""Set up by `configure_logging`."""
