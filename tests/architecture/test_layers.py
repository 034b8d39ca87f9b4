"""Imports flow one way: the contracts of pyproject.toml, as `make lint` checks them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_contracts_of_imports_are_kept():
    command = Path(sys.executable).parent / "lint-imports"
    sources = os.pathsep.join([str(ROOT / "platform"), str(ROOT / "admin_tui")])

    done = subprocess.run(
        [command, "--no-cache"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
