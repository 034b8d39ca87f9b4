"""The lines of a batch's input file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from clozone.offline_model.json_body import load_json

MOST_LINES = 50_000


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One call of a batch, matched to its answer by `custom_id`."""

    custom_id: str
    body: dict[str, Any]


class InvalidBatch(ValueError):
    """The file cannot be worked off; `problems` are errors in the form of the API."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(f"{len(problems)} invalid lines")
        self.problems = problems


def read_lines(content: bytes, endpoint: str) -> list[BatchLine]:
    """Every line of the file. Raises InvalidBatch: one bad line fails the whole batch."""
    problems: list[dict[str, Any]] = []
    lines: dict[str, BatchLine] = {}
    for number, raw in _numbered(content):
        problem = None
        try:
            line = _line(raw, endpoint)
        except (ValueError, KeyError, TypeError) as error:
            problem = ("invalid_request", str(error))
        else:
            if line.custom_id in lines:
                problem = ("duplicate_custom_id", f"custom_id '{line.custom_id}' is used twice")
            lines[line.custom_id] = line
        if problem:
            code, message = problem
            problems.append({"code": code, "message": message, "line": number, "param": None})
    if not lines and not problems:
        message = "The file holds no request."
        problems.append({"code": "empty_file", "message": message, "line": None, "param": None})
    if len(lines) > MOST_LINES:
        message = f"The file holds more than {MOST_LINES} requests."
        problems.append({"code": "too_many", "message": message, "line": None, "param": None})
    if problems:
        raise InvalidBatch(problems)
    return list(lines.values())


def _numbered(content: bytes) -> Iterator[tuple[int, bytes]]:
    for number, raw in enumerate(content.split(b"\n"), start=1):
        if raw.strip():
            yield number, raw


def _line(raw: bytes, endpoint: str) -> BatchLine:
    value = load_json(raw)
    if not isinstance(value, dict):
        raise TypeError("a line is not an object")
    custom_id, body = value.get("custom_id"), value.get("body")
    if not isinstance(custom_id, str) or not custom_id:
        raise ValueError("custom_id must be text")
    if value.get("method") != "POST" or value.get("url") != endpoint:
        raise ValueError(f"method must be POST and url {endpoint}")
    if not isinstance(body, dict):
        raise TypeError("body must be an object")
    if body.get("stream"):
        raise ValueError("a batch cannot stream")
    return BatchLine(custom_id, body)
