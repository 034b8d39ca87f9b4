"""What an error is to the one who asked: an error of ours, with a status and a sentence."""

from http import HTTPStatus

import redis.exceptions
from loguru import logger
from peewee import InterfaceError, OperationalError
from playhouse.pool import MaxConnectionsExceeded

from clozone.infra.postgres import waited_in_vain
from clozone.kit.errors import DomainError, Unavailable

RETRY_AFTER_SECONDS = 2

# The backing servers' ways of saying "not now": away, restarting, out of connections, timed out.
_AWAY = (
    OperationalError,
    InterfaceError,
    MaxConnectionsExceeded,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
)

_IN_THE_WAY = (
    "The figures of the organisation are being rebuilt, or somebody else is changing the same. "
    "Nothing was changed. Try again in a moment."
)


def explained(error: Exception) -> DomainError:
    """The error itself if it is one of ours, else what stands for it; that goes to the log too."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, OperationalError) and waited_in_vain(error):
        logger.warning("somebody's lock was in the way")
        return Unavailable(_IN_THE_WAY)
    if isinstance(error, _AWAY):
        logger.bind(error=type(error).__name__).warning("a backing service is away")
        return Unavailable("A service behind the platform is not answering. Try again in a moment.")
    logger.opt(exception=error).error("request failed")
    return DomainError("Something went wrong on our side. Quote the request id when you report it.")


def head_fields(error: DomainError) -> dict[str, str]:
    """The head fields of the answer to it."""
    fields = dict(error.headers)
    if error.status == HTTPStatus.UNAUTHORIZED:
        fields.setdefault("WWW-Authenticate", 'Bearer realm="clozone"')
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return fields
