import json

from clozone.local.render import Renderer


def _plain(line: str) -> str:
    return Renderer(colour=False).line("web-1", line)


def test_json_is_unfolded() -> None:
    line = json.dumps(
        {
            "time": "2026-11-24T09:00:01.250Z",
            "level": "INFO",
            "message": "session graded",
            "session_id": "s-1",
            "score": 81,
            "empty": None,
        }
    )
    assert _plain(line) == "web-1    │ 09:00:01 session graded session_id=s-1 score=81"


def test_warnings_say_so_and_exceptions_show_their_last_line() -> None:
    exception = {"type": "ValueError", "traceback": "Traceback:\n  File x\nValueError: no\n"}
    line = json.dumps({"level": "ERROR", "message": "failed", "exception": exception})
    assert _plain(line) == "web-1    │ ERROR   failed exception=ValueError: no"


def test_other_lines_pass_as_they_are() -> None:
    assert _plain("ready to accept") == "web-1    │ ready to accept"
    assert _plain('{"half": ') == 'web-1    │ {"half": '
    assert _plain("[1]") == "web-1    │ [1]"


def test_a_line_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in _plain("\x1b[2Jgone")
    assert "\x1b" not in _plain(json.dumps({"message": "a\x1b[2J", "b": "\x1b]0;t\x07"}))


def test_colours_only_when_asked_for() -> None:
    assert "\x1b" not in Renderer(colour=False).line("worker", "text")
    assert Renderer(colour=True).line("worker", "text").startswith("\x1b[36mworker")


def test_each_process_keeps_its_colour() -> None:
    renderer = Renderer(colour=True)
    first, second = renderer.line("a", "x"), renderer.line("b", "x")
    assert first[:5] != second[:5]
    assert renderer.line("a", "x") == first
