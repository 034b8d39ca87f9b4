"""The rivals, installed into a scratch folder that is kept for the next run."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

RIVALS = Path(__file__).parent / "rivals"
FOLDER_VARIABLE = "CLOZONE_BENCH_RIVALS"
INSTALL_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Installed:
    """Where the rivals' programs are; None for what could not be installed."""

    python_programs: Path | None
    node_modules: Path | None


def install() -> Installed:
    """Install what is missing. What cannot be installed is told of in a line, and left out.

    The folder is `CLOZONE_BENCH_RIVALS`, by default one in the temporary folder.
    """
    default = Path(tempfile.gettempdir()) / "clozone-bench-rivals"
    folder = Path(os.environ.get(FOLDER_VARIABLE) or default)
    folder.mkdir(parents=True, exist_ok=True)
    return Installed(_python(folder / "python"), _node(folder / "node"))


def _python(folder: Path) -> Path | None:
    programs = folder / "bin"
    done = folder / "installed.txt"
    wanted = (RIVALS / "requirements.txt").read_text()
    if done.exists() and done.read_text() == wanted:
        return programs
    what = "Celery, dramatiq, huey and procrastinate"
    requirements = ["--quiet", "-r", str(RIVALS / "requirements.txt")]
    made = _run(what, [sys.executable, "-m", "venv", str(folder)])
    if not made or not _run(what, [str(programs / "pip"), "install", *requirements]):
        return None
    done.write_text(wanted)
    return programs


def _node(folder: Path) -> Path | None:
    modules = folder / "node_modules"
    done = folder / "installed.json"
    wanted = (RIVALS / "package.json").read_text()
    if done.exists() and done.read_text() == wanted:
        return modules
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("BullMQ is left out: node and npm are not on this machine.")
        return None
    folder.mkdir(exist_ok=True)
    shutil.copy(RIVALS / "package.json", folder / "package.json")
    quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    if not _run("BullMQ", ["npm", "install", "--prefix", str(folder), *quiet]):
        return None
    done.write_text(wanted)
    return modules


def _run(what: str, command: list[str]) -> bool:
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{what}: left out, could not be installed ({error}).")
        return False
    if result.returncode != 0:
        last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"{what}: left out, could not be installed ({last}).")
    return result.returncode == 0
