"""Running as root: PostgreSQL refuses to, so it needs another account and places it can reach."""

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from clozone.local.errors import BundleError

# Where root keeps what the other account must reach when the home is closed to it (as /root is).
SHARED_ROOT = Path("/var/lib/clozone")


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a group to become."""

    uid: int
    gid: int

    @property
    def user(self) -> str:
        """The user's name."""
        return pwd.getpwuid(self.uid).pw_name

    @property
    def group(self) -> str:
        """The group's name."""
        return grp.getgrgid(self.gid).gr_name


def unprivileged_account() -> Account | None:
    """Whom servers that refuse root become: `nobody`. None when not root: nothing to drop."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise BundleError(
            "PostgreSQL does not run as root and there is no user `nobody` to run it as. Start "
            "Clozone as an ordinary user."
        ) from error
    return Account(entry.pw_uid, entry.pw_gid)


def owner_of(path: Path) -> Account | None:
    """Who owns `path`; None if it does not exist."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Account(found.st_uid, found.st_gid)


def can_reach(account: Account, path: Path) -> bool:
    """Whether `account` may enter `path` (or execute it) and every folder above it."""
    real = path.resolve()
    return all(_may_enter(account, each) for each in (real, *real.parents))


def _may_enter(account: Account, path: Path) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if found.st_uid == account.uid:
        return bool(found.st_mode & 0o100)
    if found.st_gid == account.gid:
        return bool(found.st_mode & 0o010)
    return bool(found.st_mode & 0o001)
