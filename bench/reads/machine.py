"""What the bench needs of the machine: wrk, node, npm and the rival's packages."""

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
RIVAL = HERE / "rival"
MODULES_VARIABLE = "CLOZONE_BENCH_RIVALS"
DATA_VARIABLE = "CLOZONE_BENCH_DATA"
INSTALL_SECONDS = 600
OLDEST_NODE = 20

_HOW_TO_GET = {
    "wrk": "the load generator; Debian and Ubuntu: apt-get install wrk; macOS: brew install wrk",
    "node": "runs the rival, version 20 or newer; https://nodejs.org, or apt-get install nodejs",
    "npm": "installs the rival's packages; comes with node, or apt-get install npm",
}


def require_programs() -> None:
    """End with a sentence for each program that is missing, and how to get it."""
    missing = [name for name in _HOW_TO_GET if shutil.which(name) is None]
    if missing:
        lines = [f"  {name}: {_HOW_TO_GET[name]}" for name in missing]
        raise SystemExit("\n".join(["The bench cannot run: this machine lacks", *lines]))
    require_node(_output("node", "--version"))


def require_node(version: str) -> None:
    """End unless `version`, as node tells it (v22.1.0), is one that runs the rival."""
    major = version.removeprefix("v").partition(".")[0]
    if not major.isdecimal() or int(major) < OLDEST_NODE:
        raise SystemExit(
            f"The bench cannot run: node is {version or 'silent about its version'}, and must be "
            f"version {OLDEST_NODE} or newer; see https://nodejs.org."
        )


def circumstances(sizes: Sequence[str]) -> dict[str, str]:
    """When, of what, on what and on how much data a run measures."""
    commit = _output("git", "-C", str(HERE), "rev-parse", "--short=12", "HEAD")
    changed = _output("git", "-C", str(HERE), "status", "--porcelain", "--untracked-files=no")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": f"{commit or 'unknown'}{' and changes' if changed else ''}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "sizes": ",".join(sizes),
    }


def _output(*command: str) -> str:
    """What a program prints; nothing if it cannot be run."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return ""
    return result.stdout.strip()


def data_folder() -> Path:
    """Where the loaded databases are kept from run to run: `CLOZONE_BENCH_DATA`, or a default."""
    default = Path(tempfile.gettempdir()) / "clozone-bench-reads"
    return Path(os.environ.get(DATA_VARIABLE) or default)


def install_rival() -> Path:
    """The folder of the rival's packages, which are installed if need be.

    It lies in `CLOZONE_BENCH_RIVALS`, by default a folder in the temporary folder.
    """
    default = Path(tempfile.gettempdir()) / "clozone-bench-rivals"
    folder = Path(os.environ.get(MODULES_VARIABLE) or default) / "reads"
    modules, done = folder / "node_modules", folder / "installed.json"
    wanted = (RIVAL / "package.json").read_text()
    if done.exists() and done.read_text() == wanted:
        return modules
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(RIVAL / "package.json", folder / "package.json")
    print(f"Installing the rival: {', '.join(json.loads(wanted)['dependencies'])}", flush=True)
    command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund"]
    result = subprocess.run(
        [*command, "--no-package-lock", "--silent"],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if result.returncode != 0:
        reason = result.stderr.strip() or "npm gave no reason"
        raise SystemExit(f"The rival could not be installed: {reason}")
    done.write_text(wanted)
    return modules
