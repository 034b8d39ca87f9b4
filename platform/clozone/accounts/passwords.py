"""Passwords, kept as argon2id hashes."""

import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 200

# 64 MiB and some 100 ms of two cores: the second choice of RFC 9106, for machines of our size.
_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)

# The hash of a thrown-away random value, made with the parameters above.
_NOBODYS_HASH: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$xwhEEmQeQLmQ1SaBi1E7VQ"
    "$OiRt431g/V7AgGGas0sjJUbIQR1He3Kf7GUZoOpy5Dw"
)


def hash_password(password: str) -> str:
    """The hash to keep. Slow and memory-hungry on purpose: run it where nothing waits."""
    return _hasher.hash(_normal(password))


def verify_password(kept_hash: str | None, password: str) -> bool:
    """Whether `password` is the one behind `kept_hash`; never for None.

    None costs as much as a hash, so that the time of an answer does not say who has an account.
    """
    try:
        _hasher.verify(kept_hash or _NOBODYS_HASH, _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return kept_hash is not None


def needs_rehash(kept_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(kept_hash)


def _normal(password: str) -> str:
    """The same keys give the same bytes on every keyboard and system."""
    return unicodedata.normalize("NFKC", password)
