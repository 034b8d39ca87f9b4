"""Sending one message to one address, and what came of it as plain facts. Never raises."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from unicodedata import category

from loguru import logger

from clozone.infra.outbound import Allowed, Answer, Outbound, OutboundFailed, OutboundRefused
from clozone.kit.http import retry_after_seconds
from clozone.notifications.signing import signature
from clozone.settings import Settings

TIMEOUT_SECONDS = 15.0
USER_AGENT = "clozone-webhooks/1"

KEPT_CHARACTERS = 500
# Enough for as many characters of any script; the rest of an answer is not read.
_READ_BYTES = 4 * KEPT_CHARACTERS

_GONE = 410
_OVERLOADED = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: where to, signed by which secrets, under which id."""

    url: str
    signers: tuple[str, ...]
    id: str
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt.

    `error` is None when the message was taken, else a class: `http_status`, `redirect`, `gone`, or
    what `infra.outbound` calls it (timeout, connection, name, tls, private_address, …), or
    `unforeseen`. `final`: sending it there again is no use. `retry_after`: seconds the receiver asked for.
    """

    ms: float
    error: str | None = None
    detail: str = ""
    http_status: int | None = None
    response: str | None = None
    retry_after: float | None = None
    final: bool = False

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more messages."""
        return self.http_status == _GONE


def notifying(settings: Settings) -> Outbound:
    """A client for endpoints: what the operator allows for recordings does not count here."""
    return Outbound(
        Allowed(
            "NOTIFICATION_ALLOWED_NETWORKS",
            settings.notification_allowed_networks,
            settings.notification_allow_http,
        )
    )


class Sender:
    """Posts messages. One per process; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._outbound = notifying(settings)
        self.public_url = settings.public_url

    def send(self, message: Message) -> Outcome:
        """Post a message once, within TIMEOUT_SECONDS. To be called outside any unit of work."""
        began = time.monotonic()
        try:
            return _outcome(self._post(message))
        except (OutboundRefused, OutboundFailed) as error:
            code, detail, final = error.code, str(error), isinstance(error, OutboundRefused)
        except Exception as error:
            logger.opt(exception=error).error("a notification failed in a way nobody foresaw")
            name = type(error).__name__
            detail = f"could not be sent, for a reason nobody foresaw ({name})"
            code, final = "unforeseen", False
        took = (time.monotonic() - began) * 1000
        return Outcome(ms=took, error=code, detail=detail, final=final)

    def _post(self, message: Message) -> Answer:
        return self._outbound.request(
            "POST",
            message.url,
            headers=signed_headers(message, int(time.time())),
            body=message.body.encode(),
            timeout=TIMEOUT_SECONDS,
            max_bytes=_READ_BYTES,
        )


def signed_headers(message: Message, timestamp: int) -> Mapping[str, str]:
    """The headers of an attempt at `timestamp`, seconds since the epoch."""
    return {
        "content-type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(
            message.signers, message.id, timestamp, message.body.encode()
        ),
    }


def cleaned(body: bytes) -> str:
    """The first characters of an answer, without control characters (PostgreSQL takes no NUL)."""
    text = body.decode(errors="replace")
    plain = "".join(c if c in "\n\t" or category(c) != "Cc" else " " for c in text)
    return plain[:KEPT_CHARACTERS]


def _outcome(answer: Answer) -> Outcome:
    response = cleaned(answer.body)
    if 200 <= answer.status < 300:
        return Outcome(answer.ms, http_status=answer.status, response=response)
    error, detail = "http_status", f"answered {answer.status}"
    if 300 <= answer.status < 400:
        error, detail = "redirect", f"redirects ({answer.status}): register the new address"
    elif answer.status == _GONE:
        error, detail = "gone", "answered 410: it wants no more messages"
    overloaded = answer.status in _OVERLOADED
    return Outcome(
        answer.ms,
        error=error,
        detail=detail,
        http_status=answer.status,
        response=response,
        retry_after=retry_after_seconds(answer.headers) if overloaded else None,
        final=answer.status == _GONE,
    )


_sender: Sender | None = None


def init_sender(settings: Settings) -> Sender:
    """Set up this process's sender. Connects to nothing."""
    global _sender  # noqa: PLW0603 - one per process, like the connection pool
    _sender = Sender(settings)
    return _sender


def sender() -> Sender:
    """This process's sender."""
    if _sender is None:
        raise RuntimeError("init_sender(settings) comes first")
    return _sender
