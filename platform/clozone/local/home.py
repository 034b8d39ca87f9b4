"""The data folder: where everything of one bundle lives, and the lock that makes it one."""

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from clozone.local.errors import BundleError

# Below this PostgreSQL cannot even lay out an empty database, let alone work in it.
LEAST_FREE_BYTES = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Home:
    """The paths inside one data folder. `root` is absolute."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> "Home":
        """The home at `path`, which may be relative and need not exist yet."""
        return cls(path.expanduser().absolute())

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """The lock and the state of the running bundle."""
        return self.root / "run"

    @property
    def keys(self) -> Path:
        """Generated secrets, 0600."""
        return self.root / "keys.json"

    @property
    def credentials(self) -> Path:
        """The demo organisation's sign-ins, written by `clozone bootstrap`."""
        return self.root / "credentials.json"

    @property
    def ports(self) -> Path:
        """The ports chosen at the first start."""
        return self.run / "ports.json"

    @property
    def state(self) -> Path:
        """What runs right now; see `clozone.local.state`."""
        return self.run / "state.json"

    def folder(self, name: str) -> Path:
        """The data folder of one server."""
        return self.root / name

    def log(self, name: str) -> Path:
        """The log file of one process."""
        return self.logs / f"{name}.log"

    def prepare(self) -> None:
        """Create the folders. Raises BundleError when that is impossible or the disk is full."""
        # As root, PostgreSQL runs as somebody else and must pass through; the folders within are
        # closed one by one.
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self.root.mkdir(mode=mode, parents=True, exist_ok=True)
            self.root.chmod(mode)
            for folder in (self.logs, self.run):
                folder.mkdir(mode=0o700, exist_ok=True)
            free = shutil.disk_usage(self.root).free
            writable = all(os.access(folder, os.W_OK) for folder in (self.logs, self.run))
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        if not writable:
            raise self._unusable("its files belong to another user")
        if free < LEAST_FREE_BYTES:
            raise BundleError(
                f"Only {free // 2**20} MB are free on the disk of {self.root}; Clozone needs at "
                f"least {LEAST_FREE_BYTES // 2**20} MB. Free some, or set CLOZONE_HOME elsewhere."
            )

    def lock(self) -> IO[str] | None:
        """Take the home for this process; the file must be kept open. None if it is taken.

        The kernel drops the lock with the process, however it dies.
        """
        handle = (self.run / "lock").open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return None
        return handle

    def is_locked(self) -> bool:
        """Whether a supervisor holds this home."""
        if not (self.run / "lock").exists():
            return False
        handle = self.lock()
        if handle is None:
            return True
        handle.close()
        return False

    def _unusable(self, reason: str) -> BundleError:
        return BundleError(
            f"The data folder {self.root} cannot be used: {reason}. Set CLOZONE_HOME to a folder "
            "that you can write to."
        )
