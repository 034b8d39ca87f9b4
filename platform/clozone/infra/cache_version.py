"""The version of an organisation's figures: a random token, and what an answer of it must include.

Whoever changes the figures sets a new version after the commit. The position in the write-ahead log
that goes with it says which writes an answer computed under this version has to hold, so that no
read replica that is behind can bring an old answer back.
"""

import secrets
import struct
import time
from uuid import UUID

from clozone.infra.log_position import UNKNOWN_POSITION

VERSION_SECONDS = 86_400
VERSION_BYTES = 32
TOKEN_BYTES = 16

# A version that was lost took its position along, and some changes come without one. For this long
# the replica is not trusted with an answer then; one that is further behind is not read from at all.
DISTRUST_SECONDS = 60.0

# The token, the position, and when a position was last unknown, in milliseconds.
_VERSION = struct.Struct(f">{TOKEN_BYTES}sQQ")

# Both only grow: of two changes, the one that is announced last need not have been made last.
SET_VERSION = """
local position, unknown_at = tonumber(ARGV[2]), tonumber(ARGV[3])
local former = redis.call('GET', KEYS[1])
if former and #former == 32 then
    -- In brackets: it also gives where it has stopped to read.
    position = math.max(position, (struct.unpack('>I8', former, 17)))
    unknown_at = math.max(unknown_at, (struct.unpack('>I8', former, 25)))
end
local version = ARGV[1] .. struct.pack('>I8', position) .. struct.pack('>I8', unknown_at)
redis.call('SET', KEYS[1], version, 'EX', ARGV[4])
"""
"""KEYS: the version's key. ARGV: what `change` gives, and a lifetime in seconds."""


def version_key(org_id: UUID) -> str:
    """Where the organisation's version is."""
    # The braces keep an organisation's keys in one slot of a cluster.
    return f"clozone:analytics:{{{org_id}}}:version"


def answer_key(org_id: UUID, name: str) -> str:
    """Where the answer called `name` is."""
    return f"clozone:analytics:{{{org_id}}}:{name}"


def lock_key(org_id: UUID, name: str, version: bytes) -> str:
    """What is held by whoever computes the answer called `name` under this version."""
    return f"clozone:analytics:{{{org_id}}}:{name}:lock:{version[:TOKEN_BYTES].hex()}"


def new_token() -> bytes:
    """The random part of a version."""
    return secrets.token_bytes(TOKEN_BYTES)


def change(position: int) -> tuple[bytes, int, int]:
    """A change that ends at `position`, for SET_VERSION: a new token, the position, and the time in
    milliseconds if that is UNKNOWN_POSITION.
    """
    if position == UNKNOWN_POSITION:
        return new_token(), 0, int(time.time() * 1000)
    return new_token(), position, 0


def version_after_loss() -> bytes:
    """A version for figures whose version is not known any more, or never was."""
    return _VERSION.pack(*change(UNKNOWN_POSITION))


def position_after(version: bytes) -> int:
    """The position that an answer computed now under this version must include; 0 for any."""
    _, position, unknown_at = _VERSION.unpack(version)
    if time.time() - unknown_at / 1000 < DISTRUST_SECONDS:
        return UNKNOWN_POSITION
    return int(position)
