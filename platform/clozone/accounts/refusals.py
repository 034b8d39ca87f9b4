"""The ways in which a credential can fail."""

from clozone.kit.errors import Unauthenticated

_CHALLENGE = 'Bearer realm="clozone", error="invalid_token"'


class InvalidToken(Unauthenticated):
    """The credential is not one of ours, or no longer good (RFC 6750 `invalid_token`)."""

    code = "invalid_token"
    title = "The credential is not valid"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": _CHALLENGE})


class TokenExpired(InvalidToken):
    """The access token was good and is too old; refreshing helps."""

    code = "token_expired"
    title = "The access token has expired"


class NoAccount(InvalidToken):
    """Another issuer vouches for the caller, but nobody here is known by that name."""

    code = "no_account"
    title = "No account here"


class WrongCredentials(Unauthenticated):
    """The e-mail address or the password is wrong; which one is not told."""

    code = "wrong_credentials"
    title = "Wrong e-mail address or password"
