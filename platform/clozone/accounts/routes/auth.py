"""Sign-in: /api/auth."""

from datetime import timedelta

from quart import Blueprint

from clozone.accounts.authentication import authentication
from clozone.accounts.passwords import hash_password, needs_rehash, verify_password
from clozone.accounts.refusals import InvalidToken, WrongCredentials
from clozone.accounts.schemas import LoginRequest, MeAnswer, RefreshRequest, SignInAnswer
from clozone.accounts.service import sign_in, users
from clozone.accounts.service.sign_in import SignedIn
from clozone.accounts.throttle import LoginThrottle
from clozone.models.accounts import Profile
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, on_database_thread
from clozone.web.operation import operation

blueprint = Blueprint("auth", __name__, url_prefix="/api/auth")


@blueprint.post("/login")
@operation(allow=None, body=LoginRequest, returns={200: SignInAnswer}, errors=(WrongCredentials,))
async def login(body: LoginRequest) -> SignInAnswer:
    """Sign in with e-mail address and password.

    Failures are counted per account and per address; an unknown address and a wrong password get
    the same answer.
    """
    throttle = LoginThrottle(body.email)
    await throttle.check()
    user: Profile | None = await on_database_thread(sign_in.find, body.email)
    kept: str | None = user.password_hash if user else None
    password = body.password.get_secret_value()
    verified = await authentication().hash(verify_password, kept, password)
    if user is None or kept is None or not verified:
        await throttle.note_failure()
        raise WrongCredentials("The e-mail address or the password is wrong.")
    await throttle.note_success()
    if not user.active:
        raise WrongCredentials("This account is deactivated. Ask an administrator.")
    renewed = await authentication().hash(hash_password, password) if needs_rehash(kept) else None
    return _answer(
        await on_database_thread(sign_in.begin, user.id, kept, renewed, _refresh_lifetime())
    )


@blueprint.post("/refresh")
@operation(allow=None, body=RefreshRequest, returns={200: SignInAnswer}, errors=(InvalidToken,))
async def refresh(body: RefreshRequest) -> SignInAnswer:
    """Replace both tokens.

    A refresh token works once. Using it again later revokes the sign-in it belongs to.
    """
    token = body.refresh_token.get_secret_value()
    return _answer(await on_database_thread(sign_in.refresh, token, _refresh_lifetime()))


@blueprint.post("/logout")
@operation(allow=None, body=RefreshRequest, returns={204: None})
async def logout(body: RefreshRequest) -> None:
    """End the sign-in that a refresh token belongs to.

    Access tokens already given stay good until they expire.
    """
    await on_database_thread(sign_in.end, body.refresh_token.get_secret_value())


@blueprint.get("/me")
@operation(allow=Role.rep, returns={200: MeAnswer})
async def me(actor: Actor) -> users.Me:
    """The caller; for an API key, the person who made it."""
    return await offload(users.me, actor)


def _refresh_lifetime() -> timedelta:
    return timedelta(seconds=authentication().refresh_token_seconds)


def _answer(signed_in: SignedIn) -> SignInAnswer:
    user, tokens = signed_in.user, authentication().access_tokens
    return SignInAnswer.model_validate(
        {
            "access_token": tokens.issue(user.id, user.org_id, Role(user.role)),
            "token_type": "bearer",
            "expires_in": tokens.lifetime_seconds,
            "refresh_token": signed_in.refresh_token,
            "user": user,
        }
    )
