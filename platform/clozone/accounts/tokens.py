"""Our own access tokens: JWTs that say who calls, so that a request needs no look-up.

The price: a change of role and a deactivation reach an access token when it expires, after
`access_token_seconds` at the latest. Refresh tokens and API keys are looked up and know at once.
"""

import time
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import jwt
from pydantic import SecretStr

from clozone.accounts.refusals import InvalidToken, TokenExpired
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.settings import Settings
from clozone.web.identity import Actor, Role

ISSUER: Final = "clozone"
ALGORITHM: Final = "HS256"
LEAST_SECRET_LENGTH: Final = 32
CLOCK_LEEWAY_SECONDS: Final = 5
# Tokens remembered by a process, some 1 kB each; the one longest known makes room.
MOST_KNOWN: Final = 10_000
_TYPE: Final = "access"
_CLAIMS: Final = ["iss", "sub", "org", "role", "iat", "exp", "jti", "typ"]


class WeakSecret(Exception):
    """A configured secret is too short to sign tokens with."""


def require_strong(name: str, secret: SecretStr) -> str:
    """The secret's text. Raises WeakSecret, which names the variable, if it is too short."""
    text = secret.get_secret_value()
    if len(text) < LEAST_SECRET_LENGTH:
        raise WeakSecret(
            f"{name} must have at least {LEAST_SECRET_LENGTH} characters; it has {len(text)}. "
            "Make one with: openssl rand -hex 32"
        )
    return text


class AccessTokens:
    """Issues and reads the access tokens of this installation."""

    def __init__(self, settings: Settings) -> None:
        """Raises WeakSecret when JWT_SECRET is missing or too short."""
        self._secret = require_strong("JWT_SECRET", settings.jwt_secret)
        self._known: dict[str, tuple[Actor, float]] = {}
        self.lifetime_seconds = settings.access_token_seconds

    def issue(
        self, user_id: UUID, org_id: UUID, role: Role, *, lifetime_seconds: int | None = None
    ) -> str:
        """A token for this person, good for `lifetime_seconds` or as configured."""
        issued = now()
        lifetime = timedelta(seconds=lifetime_seconds or self.lifetime_seconds)
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "sub": str(user_id),
            "org": str(org_id),
            "role": role.value,
            "iat": issued,
            "exp": issued + lifetime,
            "jti": str(new_id()),
            "typ": _TYPE,
        }
        return jwt.encode(claims, self._secret, ALGORITHM)

    def read(self, token: str) -> Actor:
        """Who the token speaks for. Raises TokenExpired or InvalidToken.

        The signature of a token is computed once: what proved good is known until it expires.
        """
        known = self._known.get(token)
        if known is not None and known[1] > time.time():
            return known[0]
        actor, expires = self._verified(token)
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[token] = actor, expires
        return actor

    def _verified(self, token: str) -> tuple[Actor, float]:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                leeway=CLOCK_LEEWAY_SECONDS,
                options={"require": _CLAIMS},
            )
            if claims["typ"] != _TYPE:
                raise InvalidToken("This is not an access token.")
            actor = Actor(UUID(claims["sub"]), UUID(claims["org"]), Role(claims["role"]))
            return actor, claims["exp"] + CLOCK_LEEWAY_SECONDS
        except jwt.ExpiredSignatureError:
            raise TokenExpired("The access token has expired. Refresh it or sign in.") from None
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
            raise InvalidToken("The access token is not valid. Sign in again.") from None
