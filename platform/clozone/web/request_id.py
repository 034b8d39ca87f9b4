"""The name of a request, the same in nginx, here, in the jobs it starts and in the model calls."""

import re

from clozone.kit.ids import new_id

HEADER = "X-Request-ID"
_VALID = re.compile(r"[A-Za-z0-9._-]{8,128}")


def accept_request_id(sent: str | None) -> str:
    """The id sent, if it can be trusted in a header and a log; else a fresh one."""
    if sent is not None and _VALID.fullmatch(sent):
        return sent
    return new_id().hex
