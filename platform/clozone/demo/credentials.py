"""What the bundle's first start wrote down: where it is and who may sign in."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr

FILE_NAME = "credentials.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Account(_Part):
    """Somebody who can sign in."""

    email: str
    password: SecretStr


class VapiCredential(_Part):
    """How a webhook proves itself: the header's name and its value."""

    header: str
    secret: SecretStr


class Credentials(_Part):
    """The demonstration's accounts. Without a second rep the first one makes all the calls."""

    base_url: str
    organization_id: str
    manager: Account
    rep: Account
    rep_2: Account | None = None
    vapi: VapiCredential

    def caller(self, key: str) -> Account:
        """The account behind a call's `rep`."""
        return self.rep_2 if key == "rep_2" and self.rep_2 else self.rep


def read_credentials(home: Path) -> Credentials | None:
    """The credentials in the bundle's data folder, or None before its first start."""
    path = home / FILE_NAME
    if not path.exists():
        return None
    return Credentials.model_validate_json(path.read_bytes())
