"""Signing in, staying signed in, signing out.

A refresh token works once and is replaced. Using it again revokes the whole sign-in it belongs to,
because one of the two users must be a thief; except within REUSE_GRACE: two tabs of one browser,
or a client whose answer got lost on the way, then simply get a token more of the same sign-in.
All functions open their own units of work, in the platform's scope: before the credential is
found nobody knows whose organisation it is.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from loguru import logger

from clozone.accounts.refusals import InvalidToken, WrongCredentials
from clozone.accounts.repository import profiles, refresh_tokens
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.models.accounts import Profile, RefreshToken

REUSE_GRACE = timedelta(seconds=10)
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person and the refresh token that was made for them."""

    user: Profile
    refresh_token: str


def find(email: str) -> Profile | None:
    """The person with this e-mail address, of any organisation, active or not."""
    with unit_of_work(Scope.platform()):
        return profiles.by_email(email)


def begin(user_id: UUID, verified_hash: str, new_hash: str | None, lifetime: timedelta) -> SignedIn:
    """Begin a sign-in of a person whose password was just verified.

    `new_hash` replaces one made with old parameters. Raises WrongCredentials if the password was
    changed or the person deactivated meanwhile.
    """
    with unit_of_work(Scope.platform()):
        user = profiles.note_login(user_id, verified_hash, new_hash)
        if user is None:
            raise WrongCredentials("The e-mail address or the password is wrong.")
        refresh_tokens.delete_expired(user_id)
        return SignedIn(user, _add_token(user, new_id(), lifetime))


def refresh(token: str, lifetime: timedelta) -> SignedIn:
    """The next refresh token of a sign-in. Raises InvalidToken when the sign-in is over."""
    with unit_of_work(Scope.platform()):
        signed_in = _rotate(token, lifetime)
    # After the commit: a revoked family must stay revoked although the answer is a refusal.
    if signed_in is None:
        raise InvalidToken("The refresh token is not valid any more. Sign in again.")
    return signed_in


def _rotate(token: str, lifetime: timedelta) -> SignedIn | None:
    found = refresh_tokens.by_hash(_hash(token))
    user = profiles.lock(found.user_id) if found else None
    # Read again behind the lock: another use may have come first.
    found = refresh_tokens.by_hash(_hash(token))
    if found is None or user is None or not user.active:
        return None
    if found.revoked_at is not None or found.expires_at <= now():
        return None
    if _is_stolen(found):
        refresh_tokens.revoke_family(found.family_id)
        logger.bind(user_id=str(user.id)).warning("a refresh token was used twice: sign-in revoked")
        return None
    refresh_tokens.mark_used(found.id)
    return SignedIn(user, _add_token(user, found.family_id, lifetime))


def _is_stolen(token: RefreshToken) -> bool:
    return token.used_at is not None and now() - token.used_at > REUSE_GRACE


def end(token: str) -> None:
    """End the sign-in this refresh token belongs to; an unknown token is already over."""
    with unit_of_work(Scope.platform()):
        found = refresh_tokens.by_hash(_hash(token))
        if found is not None:
            profiles.lock(found.user_id)  # so that no refresh slips a new token in
            refresh_tokens.revoke_family(found.family_id)


def _add_token(user: Profile, family_id: UUID, lifetime: timedelta) -> str:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    refresh_tokens.add(
        org_id=user.org_id,
        user_id=user.id,
        family_id=family_id,
        token_hash=_hash(token),
        expires_at=now() + lifetime,
    )
    return token


def _hash(token: str) -> bytes:
    """256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()
