"""What requests and answers about accounts look like."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, SecretStr, StringConstraints

from clozone.accounts.fields import Email, Moment, Name, NewPassword, unchanged
from clozone.kit.pagination import PageQuery
from clozone.web.identity import Role
from clozone.web.schema import RequestModel, ResponseModel

KeyScope = Literal["read", "write", "admin"]


class LoginRequest(RequestModel):
    """Who signs in."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=254)]
    password: SecretStr = Field(max_length=1024)


class RefreshRequest(RequestModel):
    """The refresh token that was given last."""

    refresh_token: SecretStr = Field(max_length=200)


class SignedInUser(ResponseModel):
    """Who signed in."""

    id: UUID
    email: str
    full_name: str
    role: Role
    org_id: UUID


class SignInAnswer(ResponseModel):
    """Tokens, and whose they are. `expires_in`: seconds until the access token expires."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    refresh_token: str
    user: SignedInUser


class OrganizationAnswer(ResponseModel):
    """An organisation."""

    id: UUID
    name: str


class MeAnswer(SignedInUser):
    """The caller."""

    organization: OrganizationAnswer


class UserAnswer(SignedInUser):
    """A person of the organisation."""

    active: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None


class UserFilter(PageQuery):
    """Which people to list."""

    role: Role | None = None
    active: bool | None = None
    search: str | None = Field(
        None,
        min_length=1,
        max_length=120,
        description="The beginning of a name or of an e-mail address.",
    )


class NewUser(RequestModel):
    """A person to add. Without a password they can sign in only through another issuer."""

    email: Email
    full_name: Name
    role: Role
    password: NewPassword | None = None


class UserChange(RequestModel):
    """What to change of a person; what is left out stays."""

    full_name: Name = Field(default_factory=unchanged)
    role: Role = Field(default_factory=unchanged)
    active: bool = Field(default_factory=unchanged)


class PasswordChange(RequestModel):
    """A new password; for one's own the current one is needed too."""

    password: NewPassword
    current_password: Annotated[SecretStr, Field(max_length=1024)] | None = None


class NewApiKey(RequestModel):
    """An API key to make."""

    name: Name
    role: Role
    scopes: list[KeyScope] = Field(min_length=1, max_length=3)
    expires_at: Moment | None = None


class ApiKeyAnswer(ResponseModel):
    """An API key without its secret; `prefix` is how it begins."""

    id: UUID
    name: str
    prefix: str
    role: Role
    scopes: list[KeyScope]
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewApiKeyAnswer(ApiKeyAnswer):
    """A new API key; `key` is shown this once and never again."""

    key: str
