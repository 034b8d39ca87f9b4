"""One request in one file, with a checksum over all of it: half a file is known for what it is."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

_MAGIC = b"clozone-spool-1"
_DIGEST_DIGITS = 64


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request that its sender is told is safe. `received_at` is aware, `headers` lower-case."""

    id: UUID
    received_at: datetime
    request_id: str | None
    headers: dict[str, str]
    body: bytes


class TornFile(Exception):
    """The file is not what was written: cut short, changed, or of another program."""


def encode(request: ReceivedRequest) -> bytes:
    """Three parts, a line break after each of the first two: magic and SHA-256, facts, body."""
    facts = orjson.dumps(
        {
            "id": request.id,
            "received_at": request.received_at,
            "request_id": request.request_id,
            "headers": request.headers,
        }
    )
    content = facts + b"\n" + request.body
    return b"%b %b\n%b" % (_MAGIC, hashlib.sha256(content).hexdigest().encode(), content)


def decode(data: bytes) -> ReceivedRequest:
    """The request that `encode` wrote. Raises TornFile when one byte of it is another."""
    start = len(_MAGIC) + 1 + _DIGEST_DIGITS + 1
    content = data[start:]
    seal = b"%b %b\n" % (_MAGIC, hashlib.sha256(content).hexdigest().encode())
    if data[:start] != seal:
        raise TornFile("the checksum does not fit: the file was cut short or changed")
    line, _, body = content.partition(b"\n")
    facts = orjson.loads(line)
    return ReceivedRequest(
        id=UUID(facts["id"]),
        received_at=datetime.fromisoformat(facts["received_at"]),
        request_id=facts["request_id"],
        headers=facts["headers"],
        body=body,
    )
