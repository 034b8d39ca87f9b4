"""How many requests of which kind an instance works on at once, and a quick no to what is more.

Work that waits does not get done faster; it only makes everything behind it late. So past its share
a kind of request is refused at once (503, Retry-After), and what is taken is answered about as
quickly as ever. Each kind has a share of its own: no number of reads keeps a webhook out.
"""

from enum import StrEnum

from clozone.kit.errors import Overloaded
from clozone.settings import Settings
from clozone.web.problem_document import MEDIA_TYPE, problem_document

RETRY_AFTER_SECONDS = 1
# Answers by a stream when it is asked to.
_GRADE = "/api/analytics/grade-transcript"


class Kind(StrEnum):
    """The kinds of request that are counted apart."""

    api = "api"
    webhook = "webhook"
    health = "health"
    stream = "stream"


def kind_of(path: str, accept: str) -> Kind:
    """What a request counts as. `accept` is its Accept field, or nothing."""
    if path.startswith("/api/webhooks/"):
        return Kind.webhook
    if path.startswith("/api/health"):
        return Kind.health
    if path.startswith("/api/sessions/") and path.endswith("/events"):
        return Kind.stream
    if path == _GRADE and "text/event-stream" in accept:
        return Kind.stream
    return Kind.api


class Admission:
    """The places of one instance."""

    def __init__(self, settings: Settings) -> None:
        self.limits = {
            Kind.api: settings.web_max_requests,
            Kind.webhook: settings.web_max_webhooks,
            Kind.health: settings.web_max_webhooks,
            Kind.stream: settings.web_max_streams,
        }
        self.running = dict.fromkeys(Kind, 0)
        self.refused = dict.fromkeys(Kind, 0)

    def is_full(self, kind: Kind) -> bool:
        """Whether there is no place left."""
        return self.running[kind] >= self.limits[kind]

    def enter(self, kind: Kind) -> bool:
        """Take a place, to be given back by `leave`; False when there is none."""
        if self.is_full(kind):
            return False
        self.running[kind] += 1
        return True

    def leave(self, kind: Kind) -> None:
        """Give a place back."""
        self.running[kind] -= 1


def refusal(path: str, request_id: str) -> tuple[dict[str, str], bytes]:
    """The head fields and the body of a 503 for a request that found no place."""
    body = problem_document(
        Overloaded.status,
        Overloaded.code,
        Overloaded.title,
        "This instance has as many requests at hand as it can serve well. Try again in a moment.",
        instance=path,
        request_id=request_id,
    )
    fields = {
        "Content-Type": MEDIA_TYPE,
        "Retry-After": str(RETRY_AFTER_SECONDS),
        "Cache-Control": "no-store",
    }
    return fields, body
