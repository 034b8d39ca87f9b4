"""Lines about requests look as any other, and one request is one line."""

import asyncio
import json
from typing import Any

import pytest

from clozone.infra.request_lines import RequestLines
from clozone.settings import Settings

FACTS: dict[str, Any] = {"method": "GET", "route": "/api/x", "status": 200, "code": None}


def lines(**settings: Any) -> RequestLines:
    written = RequestLines()
    written.configure(Settings(clozone_instance="web-1", **settings), "web", pretty=False)
    return written


def test_a_line_has_the_members_of_every_other(capsys: pytest.CaptureFixture[str]) -> None:
    lines().write("INFO", FACTS)
    line = json.loads(capsys.readouterr().out)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "message": "request",
        "name": "clozone.infra.request_lines",
        "process": "web",
        "instance": "web-1",
        "method": "GET",
        "route": "/api/x",
        "status": 200,
    }


def test_the_level_holds(capsys: pytest.CaptureFixture[str]) -> None:
    lines().write("DEBUG", FACTS)
    lines(log_level="warning").write("INFO", FACTS)
    assert capsys.readouterr().out == ""
    lines(log_level="debug").write("DEBUG", FACTS)
    assert json.loads(capsys.readouterr().out)["level"] == "DEBUG"


def test_no_value_makes_another_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines().write("INFO", FACTS | {"route": 'a\n{"forged": 1}\r\x1b[2J\x9b\u2028\x7f'})
    written = capsys.readouterr().out
    assert written.endswith("\n")
    assert written[:-1].isprintable()
    assert "\n" not in written[:-1]


async def test_what_one_turn_writes_leaves_together(capsys: pytest.CaptureFixture[str]) -> None:
    writer = lines()
    for number in range(3):
        writer.write("INFO", FACTS | {"status": number})
    assert capsys.readouterr().out == ""
    await asyncio.sleep(0)
    written = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["status"] for line in written] == [0, 1, 2]
