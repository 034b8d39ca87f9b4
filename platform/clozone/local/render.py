"""Log lines for people: a coloured name in front, JSON unfolded."""

import json
from collections.abc import Iterable
from typing import Any

_COLOURS = (36, 35, 33, 32, 34, 96, 95, 93, 92, 94)
_LEVELS = {"WARNING": 33, "ERROR": 31, "CRITICAL": 31}
# In front of the message already, or the same in every line.
_LEFT_OUT = frozenset({"time", "level", "message", "name", "process", "instance"})


class Renderer:
    """Turns (process, line) into a line for a terminal. Without `colour` it is plain text."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._width = 8
        self._codes: dict[str, int] = {}

    def make_room_for(self, names: Iterable[str]) -> None:
        """Align the lines of these processes from the first on."""
        self._width = max(self._width, *map(len, names), 0)

    def line(self, name: str, text: str) -> str:
        """One log line of process `name`."""
        self._width = max(self._width, len(name))
        code = self._codes.setdefault(name, _COLOURS[len(self._codes) % len(_COLOURS)])
        return f"{self.paint(f'{name:<{self._width}} │', code)} {self._body(text)}"

    def paint(self, text: str, code: int) -> str:
        """`text` in an ANSI colour, or as it is."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _body(self, text: str) -> str:
        record = _record(text)
        if record is None:
            return _printable(text)
        level = str(record.get("level", ""))
        clock = str(record.get("time", ""))[11:19]
        facts = " ".join(
            f"{key}={_value(value)}"
            for key, value in record.items()
            if key not in _LEFT_OUT and value not in (None, "")
        )
        parts = (
            self.paint(clock, 2),
            self.paint(f"{level:<7}", _LEVELS[level]) if level in _LEVELS else "",
            _printable(str(record["message"])),
            self.paint(_printable(facts), 2) if facts else "",
        )
        return " ".join(part for part in parts if part)


def _record(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "message" in record else None


def _value(value: Any) -> str:
    if isinstance(value, dict) and "traceback" in value:
        return str(value["traceback"]).strip().rsplit("\n", 1)[-1]
    return value if isinstance(value, str) else json.dumps(value)


def _printable(text: str) -> str:
    """Without what a terminal would obey; a log line may hold anything somebody sent."""
    return "".join(c if c.isprintable() or c == "\t" else " " for c in text)
