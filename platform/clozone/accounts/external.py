"""Access tokens of another issuer, so that an existing frontend keeps its own sign-in.

Two kinds: tokens signed with a key of the issuer's published set (AUTH_JWT_ISSUER), and Supabase's
tokens signed with its shared secret (SUPABASE_JWT_SECRET). They only prove who somebody is; what
that person may do is in our profile.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.exceptions import PyJWKClientConnectionError
from loguru import logger

from clozone.accounts.refusals import InvalidToken, TokenExpired
from clozone.accounts.tokens import ALGORITHM, CLOCK_LEEWAY_SECONDS, ISSUER, require_strong
from clozone.kit.errors import Unavailable
from clozone.settings import Settings

KEY_SET_ALGORITHMS: Final = ["RS256", "ES256", "EdDSA"]
SUPABASE_AUDIENCE: Final = "authenticated"
_FETCH_TIMEOUT_SECONDS = 3.0
_KEY_SET_LIFETIME_SECONDS = 900.0
_UNKNOWN_KEY_COOLDOWN_SECONDS = 10.0
_AWAY_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ExternalIdentity:
    """Somebody another issuer vouches for.

    `subject` is issuer and subject, because a subject alone is unique only within its issuer.
    `verified_email` is None unless the issuer says that it checked the address.
    """

    subject: str
    verified_email: str | None


class ExternalIssuers:
    """The issuers besides ourselves whose tokens are accepted; perhaps none."""

    def __init__(self, settings: Settings) -> None:
        """Contacts nobody. Raises WeakSecret for a Supabase secret that is too short."""
        self._issuer = settings.auth_jwt_issuer
        self._audience = settings.auth_jwt_audience
        self._keys: jwt.PyJWKClient | None = None
        if self._issuer:
            url = settings.auth_jwt_jwks_url
            self._keys = jwt.PyJWKClient(
                url or f"{self._issuer.rstrip('/')}/.well-known/jwks.json",
                lifespan=_KEY_SET_LIFETIME_SECONDS,
                timeout=_FETCH_TIMEOUT_SECONDS,
                cooldown_duration=_UNKNOWN_KEY_COOLDOWN_SECONDS,
            )
        secret = settings.supabase_jwt_secret
        self._supabase = require_strong("SUPABASE_JWT_SECRET", secret) if secret else None
        self._asking = threading.Lock()
        self._pause_until = 0.0

    def issued(self, token: str) -> bool:
        """Whether a token is for `identity` to judge. Trusts nothing: only chooses the judge."""
        if self._keys is None and self._supabase is None:
            return False
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            return False
        return bool(claims.get("iss") != ISSUER)

    def identity(self, token: str) -> ExternalIdentity:
        """Who the token speaks of; may fetch the issuer's keys, so run it on a thread.

        Raises TokenExpired, InvalidToken, or Unavailable when the keys cannot be had.
        """
        try:
            claims = self._claims(token)
        except jwt.ExpiredSignatureError:
            raise TokenExpired("The access token has expired.") from None
        except jwt.InvalidAudienceError:
            raise InvalidToken("The access token was made for another audience.") from None
        except jwt.InvalidIssuerError:
            raise InvalidToken("The access token is of an issuer not accepted here.") from None
        except jwt.PyJWTError as error:
            logger.bind(error=type(error).__name__).info("another issuer's token was refused")
            raise InvalidToken("The access token is not valid.") from None
        subject, email = f"{claims['iss']}|{claims['sub']}", claims.get("email")
        if "\0" in f"{subject}{email}":
            raise InvalidToken("The access token is not valid.")
        verified = claims.get("email_verified") is True and isinstance(email, str)
        return ExternalIdentity(subject, email if verified else None)

    def _claims(self, token: str) -> dict[str, Any]:
        required = ["exp", "sub", "iss"]
        algorithm = jwt.get_unverified_header(token).get("alg")
        if algorithm == ALGORITHM and self._supabase is not None:
            return jwt.decode(
                token,
                self._supabase,
                algorithms=[ALGORITHM],
                audience=SUPABASE_AUDIENCE,
                leeway=CLOCK_LEEWAY_SECONDS,
                options={"require": [*required, "aud"]},
            )
        if algorithm not in KEY_SET_ALGORITHMS or self._keys is None:
            raise jwt.InvalidAlgorithmError("not an accepted algorithm")
        return jwt.decode(
            token,
            self._signing_key(self._keys, token),
            algorithms=KEY_SET_ALGORITHMS,
            issuer=self._issuer,
            audience=self._audience,
            leeway=CLOCK_LEEWAY_SECONDS,
            options={"require": required, "verify_aud": self._audience is not None},
        )

    def _signing_key(self, keys: jwt.PyJWKClient, token: str) -> jwt.PyJWK:
        """The key the token names. While the issuer is away, only every few seconds one asks it."""
        with self._asking:
            if time.monotonic() < self._pause_until:
                raise _away()
            try:
                return keys.get_signing_key_from_jwt(token)
            except (PyJWKClientConnectionError, OSError, ValueError) as error:
                self._pause_until = time.monotonic() + _AWAY_PAUSE_SECONDS
                logger.bind(error=type(error).__name__).warning("no keys from the external issuer")
                raise _away() from None


def _away() -> Unavailable:
    return Unavailable("The issuer of this access token cannot be reached. Try again in a moment.")
