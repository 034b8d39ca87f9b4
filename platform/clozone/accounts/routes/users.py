"""People: /api/users."""

from uuid import UUID

from quart import Blueprint

from clozone.accounts.authentication import authentication
from clozone.accounts.passwords import hash_password, verify_password
from clozone.accounts.schemas import NewUser, PasswordChange, UserAnswer, UserChange, UserFilter
from clozone.accounts.service import users
from clozone.accounts.service.acting import require_person
from clozone.accounts.throttle import LoginThrottle
from clozone.kit.errors import Conflict, Forbidden
from clozone.kit.pagination import Page
from clozone.models.accounts import Profile
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload, offload_read
from clozone.web.operation import operation

blueprint = Blueprint("users", __name__, url_prefix="/api/users")


@blueprint.get("")
@operation(allow=Role.rep, query=UserFilter, returns={200: Page[UserAnswer]})
async def list_users(actor: Actor, query: UserFilter) -> Page[Profile]:
    """List the organisation's people, newest first; a rep finds only themselves."""
    return await offload_read(users.list_page, actor, query)


@blueprint.post("")
@operation(
    allow=Role.manager,
    scope="admin",
    body=NewUser,
    returns={201: UserAnswer},
    errors=(Conflict,),
)
async def create_user(actor: Actor, body: NewUser) -> Profile:
    """Add a person.

    Managers add reps, administrators everybody up to their own role; through an API key nobody
    gets a password or a role above rep.
    """
    hashed = None
    if body.password is not None:
        hashed = await authentication().hash(hash_password, body.password.get_secret_value())
    return await offload(
        users.create,
        actor,
        email=body.email,
        full_name=body.full_name,
        role=body.role,
        password_hash=hashed,
    )


@blueprint.get("/<uuid:user_id>")
@operation(allow=Role.rep, returns={200: UserAnswer})
async def read_user(actor: Actor, user_id: UUID) -> Profile:
    """Read one person; a rep only themselves."""
    return await offload(users.read, actor, user_id)


@blueprint.patch("/<uuid:user_id>")
@operation(
    allow=Role.rep, scope="admin", body=UserChange, returns={200: UserAnswer}, errors=(Conflict,)
)
async def change_user(actor: Actor, user_id: UUID, body: UserChange) -> Profile:
    """Change name, role, or whether somebody is active.

    Everybody may change their own name; managers look after reps, administrators after everybody
    up to their own role; an API key gives no role above rep. An access token already given keeps
    its role until it expires, but changes of people and API keys go by the role of now.
    """
    return await offload(users.change, actor, user_id, body)


@blueprint.post("/<uuid:user_id>/password")
@operation(allow=Role.rep, scope="admin", body=PasswordChange, returns={204: None})
async def set_password(actor: Actor, user_id: UUID, body: PasswordChange) -> None:
    """Set a password, which ends every sign-in of that person.

    One's own needs the current one; for others the rules of changing a person hold. An API key
    cannot set passwords.
    """
    user = await offload(users.read, actor, user_id)
    require_person(actor, "set passwords")
    if user_id == actor.user_id:
        await _require_current(user, body)
    hashed = await authentication().hash(hash_password, body.password.get_secret_value())
    await offload(users.set_password, actor, user_id, hashed)


async def _require_current(user: Profile, body: PasswordChange) -> None:
    """Whoever found an open browser must not be able to keep the account, nor to guess on."""
    if user.password_hash is None or body.current_password is None:
        raise Forbidden("Changing your own password needs the current one: current_password.")
    throttle = LoginThrottle(user.email)
    await throttle.check()
    current = body.current_password.get_secret_value()
    if not await authentication().hash(verify_password, user.password_hash, current):
        await throttle.note_failure()
        raise Forbidden("The current password is wrong.")
    await throttle.note_success()
