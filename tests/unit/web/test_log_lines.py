import logging

import orjson
import pytest
from loguru import logger
from pydantic import BaseModel, ValidationError

from clozone.infra.logging import configure_logging
from clozone.kit import context
from clozone.settings import Settings


class Output:
    """What this process wrote to standard output so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._capsys.readouterr().out
        return self._text


@pytest.fixture
def output(capsys):
    yield Output(capsys)
    logger.remove()
    logging.basicConfig(handlers=[logging.NullHandler()], level=logging.WARNING, force=True)
    logging.captureWarnings(False)


def configured(**settings) -> None:
    configure_logging(Settings(log_level="DEBUG", clozone_instance="web-7", **settings), "web")


def lines(output: Output) -> list[dict]:
    return [orjson.loads(line) for line in output.getvalue().splitlines()]


def test_a_line_holds_the_message_the_process_and_the_bound_facts(output):
    configured()
    logger.bind(session_id="s1", score=81).info("session graded")
    (line,) = lines(output)
    assert line["message"] == "session graded"
    assert line["level"] == "INFO"
    assert (line["process"], line["instance"]) == ("web", "web-7")
    assert (line["session_id"], line["score"]) == ("s1", 81)
    assert line["time"].endswith("Z")


def test_request_and_organisation_come_from_the_context(output):
    configured()
    request, organisation = context.request_id.set("req-12345"), context.org_id.set("org-1")
    logger.info("inside")
    context.request_id.reset(request)
    context.org_id.reset(organisation)
    logger.info("outside")
    inside, outside = lines(output)
    assert (inside["request_id"], inside["org_id"]) == ("req-12345", "org-1")
    assert "request_id" not in outside


@pytest.mark.parametrize(
    "evil", ["\n", "\r\n", "\x1b[2K", "\x85", "\u2028", "\u2029", "\0", "\x9b1m"]
)
@pytest.mark.parametrize("log_format", ["json", "pretty"])
def test_no_value_can_forge_a_line_or_steer_a_terminal(output, evil, log_format):
    configured(log_format=log_format)
    logger.bind(name_sent=f"x{evil}forged").info("login {}", f"y{evil}forged")
    text = output.getvalue()
    assert text.count("forged") == 2
    assert len(text.splitlines()) == 1
    assert evil not in text.rstrip("\n")


def test_facts_cannot_replace_the_parts_of_the_line(output):
    configured()
    logger.bind(level="CRITICAL", time="never").info("real")
    (line,) = lines(output)
    assert (line["level"], line["extra_level"]) == ("INFO", "CRITICAL")


def test_braces_and_markup_in_values_are_text(output):
    configured(log_format="pretty")
    logger.bind(value="<red>{0}</red> {message}").info("braces {} <blue>", "{extra}")
    assert "braces {extra} <blue>  " in output.getvalue()
    assert "value=<red>{0}</red> {message}" in output.getvalue()


def test_values_json_does_not_know_are_shown_not_fatal(output):
    configured()
    logger.bind(value=object(), keys={1: "a"}).info("odd")
    (line,) = lines(output)
    assert "object object" in line["value"]


def test_a_traceback_is_one_field(output):
    configured()
    try:
        raise ValueError("broken\npart")
    except ValueError as error:
        logger.opt(exception=error).error("failed")
    (line,) = lines(output)
    assert line["exception"]["type"] == "ValueError"
    assert "broken\npart" in line["exception"]["traceback"]


class Caller(BaseModel):
    age: int


def quoted_by_pydantic(sent: dict[str, str]) -> Exception:
    with pytest.raises(ValidationError) as caught:
        Caller.model_validate(sent)
    return caught.value


@pytest.mark.parametrize(
    ("error", "secret"),
    [
        (quoted_by_pydantic({"age": "our quarterly budget"}), "quarterly"),
        (RuntimeError("duplicate key\nDETAIL:  Key (email)=(a@b.example) already exists."), "a@b"),
        (RuntimeError("no mailbox for ann.lee@shop.example here"), "ann.lee"),
    ],
)
def test_data_quoted_by_exceptions_is_left_out(output, error, secret):
    configured()
    logger.opt(exception=error).error("failed")
    (line,) = lines(output)
    assert secret not in output.getvalue()
    assert type(error).__name__ in line["exception"]["traceback"]


def test_logs_of_the_standard_library_join(output):
    configured()
    logging.getLogger("hypercorn.error").warning("from %s", "hypercorn")
    (line,) = lines(output)
    assert (line["message"], line["logger"]) == ("from hypercorn", "hypercorn.error")
    assert line["level"] == "WARNING"


def test_chatty_clients_do_not_log_bodies(output):
    configured()
    logging.getLogger("openai").debug("Request options: {'messages': 'the transcript'}")
    assert lines(output) == []


def test_files_get_everything_and_errors_apart(output, tmp_path):
    configured(log_dir=tmp_path)
    logger.info("fine")
    logger.error("bad")
    logger.remove()
    read = {
        name: [orjson.loads(line)["message"] for line in (tmp_path / name).read_text().splitlines()]
        for name in ("combined.log", "error.log")
    }
    assert read == {"combined.log": ["fine", "bad"], "error.log": ["bad"]}
