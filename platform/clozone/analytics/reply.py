"""How an answer that may be cached is sent, whichever way the request came."""

from http import HTTPStatus

from clozone.infra.cache_answer import Answer
from clozone.web.encoding import JSON_TYPE

# For the browser alone, which may keep it and has to ask whether it still holds.
CACHE_CONTROL = "private, no-cache"

Text = bytes | str | None


def reply(
    answer: Answer, accept_encoding: Text, if_none_match: Text
) -> tuple[int, dict[str, str], bytes]:
    """Status, head fields and body for a client that sent these fields: 304 if it has it already."""
    control = {"Cache-Control": CACHE_CONTROL}
    if known := answer.unchanged_for(if_none_match, accept_encoding):
        return HTTPStatus.NOT_MODIFIED.value, known.headers() | control, b""
    sent = answer.representation(accept_encoding)
    return HTTPStatus.OK.value, sent.headers() | control | {"Content-Type": JSON_TYPE}, sent.body
