"""The secrets of one bundle: made once, kept in a file that only its owner reads."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from clozone.local.errors import BundleError


def _secret() -> str:
    return secrets.token_hex(24)


@dataclass(frozen=True, slots=True)
class Keys:
    """Every generated secret. Hexadecimal, so that they need no quoting in URLs and files."""

    postgres_superuser_password: str = field(default_factory=_secret)
    postgres_owner_password: str = field(default_factory=_secret)
    postgres_app_password: str = field(default_factory=_secret)
    postgres_replication_password: str = field(default_factory=_secret)
    valkey_password: str = field(default_factory=_secret)
    s3_access_key: str = field(default_factory=lambda: secrets.token_hex(10))
    s3_secret_key: str = field(default_factory=_secret)
    jwt_secret: str = field(default_factory=_secret)
    vapi_webhook_secret: str = field(default_factory=_secret)


def load_keys(path: Path) -> Keys:
    """The keys in `path`; those that are missing are made and saved, mode 0600.

    Raises BundleError when the file is there and cannot be read: a new password would not open the
    old database.
    """
    stored = _read(path)
    names = {each.name for each in fields(Keys)}
    keys = Keys(**{name: value for name, value in stored.items() if name in names})
    if asdict(keys) != stored:
        _write(path, keys)
    return keys


def _read(path: Path) -> dict[str, str]:
    try:
        stored = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BundleError(
            f"The secrets in {path} cannot be read ({error}). Restore the file from a backup, or "
            "start with another CLOZONE_HOME."
        ) from error
    if not isinstance(stored, dict) or not all(isinstance(v, str) for v in stored.values()):
        raise BundleError(f"{path} does not hold the bundle's secrets; restore it from a backup.")
    return stored


def _write(path: Path, keys: Keys) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    # Closed from its first moment on: a file made open and closed later could be read in between.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(keys), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
