"""The version of an organisation's figures: a random token, and what an answer of it must include.

Whoever changes the figures sets a new version after the commit. The position in the write-ahead log
that goes with it says which writes an answer computed under this version has to hold, so that no
read replica that is behind can bring an old answer back.
"""

import secrets
import time
from uuid import UUID

VERSION_SECONDS = 86_400
VERSION_BYTES = 24
TOKEN_BYTES = 16
ANYTHING_WRITTEN = 2**63 - 1
"""An `after` that no replica has ever reached: the primary has to be asked."""

# A version that was lost took its position along. For this long the replica is not trusted with an
# answer; a replica that is further behind than this is not read from at all.
DISTRUST_SECONDS = 60.0
_LOST = 1 << 63  # marks a position that is the time of a loss instead, in milliseconds

# Positions only grow: of two changes, the one that is announced last need not have been made last.
SET_VERSION = """
local position = tonumber(ARGV[2])
local former = redis.call('GET', KEYS[1])
if former and #former == 24 then
    local known = struct.unpack('>I8', former, 17)
    if known < 2 ^ 63 and known > position then
        position = known
    end
end
redis.call('SET', KEYS[1], ARGV[1] .. struct.pack('>I8', position), 'EX', ARGV[3])
"""
"""KEYS: the version's key. ARGV: a new token, the position of the change, a lifetime in seconds."""


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


def version_after_loss() -> bytes:
    """A version for figures whose version is not known any more, or never was."""
    return new_token() + (_LOST | int(time.time() * 1000)).to_bytes(8, "big")


def position_after(version: bytes) -> int:
    """The position that an answer computed now under this version must include; 0 for any."""
    position = int.from_bytes(version[TOKEN_BYTES:], "big")
    if position < _LOST:
        return position
    lost_at = (position ^ _LOST) / 1000
    return ANYTHING_WRITTEN if time.time() - lost_at < DISTRUST_SECONDS else 0
