"""Logs: loguru, one JSON object a line on standard output, and the standard library's logs with it.

A line is always one line: control characters in values are escaped, so no value can forge another
line or steer a terminal.
"""

import logging
import sys
from types import FrameType
from typing import TYPE_CHECKING

from loguru import logger

from clozone.infra.log_lines import json_line, pretty_line
from clozone.infra.request_lines import request_lines
from clozone.kit import context
from clozone.settings import Settings

if TYPE_CHECKING:
    from loguru import FormatFunction, Record

ROTATION = "50 MB"
RETENTION = 10  # rotated files
# Their INFO lines repeat what ours say; their DEBUG lines hold request bodies, that is transcripts.
_QUIET = ("httpx2", "httpcore2", "openai", "urllib3", "hypercorn.access", "huey")


def configure_logging(settings: Settings, process_name: str) -> None:
    """Send all logs of this process where the settings say. Called once, by the process's start."""
    logger.remove()
    logger.configure(
        extra={"process": process_name, "instance": settings.clozone_instance},
        patcher=_add_context,
    )
    level = settings.log_level.upper()
    pretty = settings.log_format == "pretty" or sys.stdout.isatty()
    logger.add(
        sys.stdout,
        level=level,
        format=_PRETTY if pretty else _JSON,
        colorize=sys.stdout.isatty(),
        backtrace=False,
        diagnose=False,
    )
    if settings.log_dir is not None:
        for name, least in (("combined.log", level), ("error.log", "ERROR")):
            logger.add(
                settings.log_dir / name,
                level=least,
                format=_JSON,
                rotation=ROTATION,
                retention=RETENTION,
                compression="gz",
                watch=True,  # another process of this folder may have rotated the file
                backtrace=False,
                diagnose=False,
            )
    request_lines.configure(settings, process_name, pretty=pretty)
    _intercept_standard_logging(level)


def _add_context(record: "Record") -> None:
    extra = record["extra"]
    for name, variable in (("request_id", context.request_id), ("org_id", context.org_id)):
        value = variable.get()
        if value is not None:
            extra.setdefault(name, value)


def _formatter(line: "FormatFunction", template: str) -> "FormatFunction":
    """A loguru format that inserts a ready line, which loguru then does not parse again."""

    def format_record(record: "Record") -> str:
        record["extra"]["_line"] = line(record)
        return template

    return format_record


_JSON = _formatter(json_line, "{extra[_line]}\n")
_PRETTY = _formatter(
    pretty_line, "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {extra[_line]}\n"
)


class _ToLoguru(logging.Handler):
    """Hands records of the standard library to loguru, with the caller's place kept."""

    def emit(self, record: logging.LogRecord) -> None:
        level: str | int = record.levelno
        if record.levelname in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            level = record.levelname
        frame: FrameType | None = logging.currentframe()
        depth = 0
        while frame is not None and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame = frame.f_back
            depth += 1
        log = logger.opt(depth=depth, exception=record.exc_info)
        log.bind(logger=record.name).log(level, "{}", record.getMessage())


def _intercept_standard_logging(level: str) -> None:
    logging.basicConfig(handlers=[_ToLoguru()], level=level, force=True)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
