"""An answer in the forms it is sent in, and how it lies in Redis.

Each form has bytes of its own, so each has a strong ETag of its own.
"""

import gzip
import hashlib
import struct
import zlib
from dataclasses import dataclass

from clozone.infra.cache_negotiation import accepts_gzip, names_tag
from clozone.infra.cache_version import VERSION_BYTES

DIGEST_BYTES = 16
GZIP_LEVEL = 6
GZIP_LEAST_BYTES = 1_024

# Version and checksum of all that follows: time until which it is fresh, digest of the plain bytes,
# how many they are, the plain bytes and the compressed ones.
_SEAL = struct.Struct(f">{VERSION_BYTES}sI")
_FACTS = struct.Struct(f">d{DIGEST_BYTES}sI")
_BODY_AT = _SEAL.size + _FACTS.size


@dataclass(frozen=True, slots=True)
class Representation:
    """Bytes as they are sent, their strong ETag with its quotes, and their Content-Encoding."""

    body: bytes
    etag: str
    encoding: str | None = None

    def headers(self) -> dict[str, str]:
        """The fields that describe these bytes."""
        fields = {"ETag": self.etag, "Vary": "Accept-Encoding"}
        return fields if self.encoding is None else fields | {"Content-Encoding": self.encoding}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, plain and, if that was worth it, compressed."""

    identity: Representation
    gzip: Representation | None = None

    @classmethod
    def of(cls, body: bytes) -> "Answer":
        """An answer that is not kept: nothing is compressed for one reader."""
        return cls(Representation(body, _tag(_digest(body))))

    @property
    def body(self) -> bytes:
        """The plain bytes."""
        return self.identity.body

    @property
    def etag(self) -> str:
        """The strong ETag of the plain bytes."""
        return self.identity.etag

    def representation(self, accept_encoding: bytes | str | None) -> Representation:
        """The form to send to a client with this Accept-Encoding."""
        if self.gzip is not None and accepts_gzip(accept_encoding):
            return self.gzip
        return self.identity

    def unchanged_for(
        self, if_none_match: bytes | str | None, accept_encoding: bytes | str | None
    ) -> Representation | None:
        """The form that a client with this If-None-Match has already: the answer is 304. Else None.

        Any of the answer's forms will do, since all say the same; the one it would be sent is
        preferred. Tags are compared weakly (RFC 9110, 13.1.2): a proxy may have weakened one.
        """
        if not if_none_match:
            return None
        sent = self.representation(accept_encoding)
        for form in (sent, self.identity, self.gzip):
            if form is not None and names_tag(if_none_match, form.etag):
                return form
        return None


def pack(version: bytes, fresh_until: float, body: bytes) -> bytes:
    """What is kept of `body`: good while `version` holds, fresh until then (seconds since 1970).

    Compressing takes a while; a large body is better packed outside the event loop.
    """
    smaller = gzip.compress(body, GZIP_LEVEL, mtime=0) if len(body) >= GZIP_LEAST_BYTES else b""
    sealed = b"".join([_FACTS.pack(fresh_until, _digest(body), len(body)), body, smaller])
    return _SEAL.pack(version, zlib.crc32(sealed)) + sealed


def unpack(kept: bytes) -> tuple[float, Answer] | None:
    """Until when it is fresh, and the answer; None for bytes that `pack` did not give, or not all."""
    if len(kept) < _BODY_AT:
        return None
    _, checksum = _SEAL.unpack_from(kept)
    if zlib.crc32(memoryview(kept)[_SEAL.size :]) != checksum:
        return None
    fresh_until, digest, length = _FACTS.unpack_from(kept, _SEAL.size)
    end = _BODY_AT + length
    plain = Representation(kept[_BODY_AT:end], _tag(digest))
    if end == len(kept):
        return fresh_until, Answer(plain)
    return fresh_until, Answer(plain, Representation(kept[end:], _tag(digest, "-gzip"), "gzip"))


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def _tag(digest: bytes, form: str = "") -> str:
    return f'"{digest.hex()}{form}"'
