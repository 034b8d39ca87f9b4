"""Errors that carry what a caller needs: a code, a status and a sentence that says what to do."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal the platform can explain; rendered as an RFC 9457 problem document.

    `detail` is one sentence for the person who made the request. `fields` are extra members of the
    problem document (for instance the failing fields of a validation). `headers` go on the response.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, detail: str = "", *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.headers = dict(headers or {})
        self.fields = fields


class BadRequest(DomainError):
    """The request cannot be read at all."""

    code = "bad_request"
    status = HTTPStatus.BAD_REQUEST
    title = "The request could not be read"


class Unauthenticated(DomainError):
    """No credentials, or credentials that do not hold."""

    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED
    title = "Sign in first"


class Forbidden(DomainError):
    """Known caller, not allowed."""

    code = "forbidden"
    status = HTTPStatus.FORBIDDEN
    title = "Not allowed"


class NotFound(DomainError):
    """Nothing there, or nothing there for this organisation: the two are not told apart."""

    code = "not_found"
    status = HTTPStatus.NOT_FOUND
    title = "Not found"


class Conflict(DomainError):
    """The state of the thing does not allow it."""

    code = "conflict"
    status = HTTPStatus.CONFLICT
    title = "Not possible in the current state"


class PayloadTooLarge(DomainError):
    """The body is over the limit."""

    code = "payload_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    title = "The body is too large"


class Invalid(DomainError):
    """The body or the query does not fit the schema; `errors` lists the fields."""

    code = "validation_failed"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Some fields are not valid"


class TooManyRequests(DomainError):
    """A rate limit was reached; `policy` names it."""

    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Too many requests"


class Unavailable(DomainError):
    """A backing service is away or every slot is taken; trying again later helps."""

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Not available right now"


class Overloaded(Unavailable):
    """There is more to do than this instance can; what it has taken on comes first."""

    code = "overloaded"
    title = "Too much to do at the moment"


class Retryable(Exception):
    """A job step failed in a way that may pass. `after` is the least wait in seconds, if known."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Postponed(Exception):
    """A job step cannot begin yet, through no fault of its own: try again in `after` seconds.

    Unlike a failure, a postponement does not count against the job's attempts.
    """

    def __init__(self, reason: str, *, after: float) -> None:
        super().__init__(reason)
        self.after = after


class Permanent(Exception):
    """A job step failed in a way that no retry will mend."""
