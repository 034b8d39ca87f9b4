"""What one start was decided to be; every server's part is written from it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from clozone.local.home import Home
from clozone.local.keys import Keys
from clozone.local.options import Options

# What a server may see of the environment: nothing of ours, no preloads, no PG* that redirect it.
_PASSED_ON = ("PATH", "HOME", "TZ", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Plan:
    """The home, its secrets, the ports by process name, the options, the person's environment."""

    home: Home
    keys: Keys
    ports: Mapping[str, int]
    public_port: int
    options: Options
    env: Mapping[str, str]

    def server_env(self, **more: str) -> dict[str, str]:
        """The small environment of a server that is not ours."""
        passed = {name: self.env[name] for name in _PASSED_ON if name in self.env}
        return {"PATH": os.defpath, "HOME": str(self.home.root)} | passed | more

    def address(self, name: str) -> str:
        """Where a process listens, as host:port."""
        return f"127.0.0.1:{self.ports[name]}"
