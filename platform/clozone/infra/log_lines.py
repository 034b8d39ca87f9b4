"""A log record as one line of text."""

import re
import traceback
from typing import TYPE_CHECKING, Any

import orjson

from clozone.kit.clock import iso

if TYPE_CHECKING:
    from loguru import Record, RecordException

# What terminals obey and line splitters split at; orjson escapes those below U+0020 itself.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# Exceptions quote data: PostgreSQL the row, pydantic the input. Neither belongs into a log.
_QUOTED_DATA = (
    (re.compile(r"^(DETAIL|CONTEXT): .*$", re.MULTILINE), r"\1: [left out]"),
    (re.compile(r"input_value=.*?, input_type=", re.DOTALL), "input_value=[left out], input_type="),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[e-mail]"),
)


def json_line(record: "Record") -> str:
    """Compact JSON: time, level, message, name, the bound facts, and an exception if there is one."""
    line: dict[str, Any] = {
        "time": iso(record["time"]),
        "level": record["level"].name,
        "message": record["message"],
        "name": record["name"],
    }
    for key, value in _facts(record).items():
        line[f"extra_{key}" if key in line else key] = value
    if record["exception"] is not None:
        line["exception"] = _exception(record["exception"])
    encoded = orjson.dumps(line, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()
    return escape(encoded)


def pretty_line(record: "Record") -> str:
    """For people: the message, the facts, and a traceback below."""
    facts = " ".join(f"{key}={value}" for key, value in _facts(record).items())
    line = escape(f"{record['message']}  {facts}".rstrip())
    if record["exception"] is not None:
        trace = _exception(record["exception"])["traceback"]
        line += "\n" + "\n".join(escape(part) for part in trace.rstrip().split("\n"))
    return line


def _facts(record: "Record") -> dict[str, Any]:
    return {
        key: value
        for key, value in record["extra"].items()
        if value is not None and not key.startswith("_")
    }


def _exception(exception: "RecordException") -> dict[str, str]:
    trace = "".join(traceback.format_exception(*exception))
    name = exception.type.__name__ if exception.type else ""
    return {"type": name, "traceback": _without_data(trace)}


def _without_data(text: str) -> str:
    for pattern, replacement in _QUOTED_DATA:
        text = pattern.sub(replacement, text)
    return text


def escape(text: str) -> str:
    """The text without what a terminal obeys or a reader takes for the end of a line."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
