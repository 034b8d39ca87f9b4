"""Bundles of these tests' own: what they do to servers, no other test should feel."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clozone.local.bundle import BACKING, Bundle

PLAIN = {"PATH": "/usr/bin:/bin"}

_SUPERVISOR = """
import sys, threading
from pathlib import Path
from clozone.local.bundle import BACKING, Bundle
bundle = Bundle(Path(sys.argv[1]), port=0, parts=BACKING)
bundle.start()
print("ready", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data folder whose name has a blank in it; deleted with what lies elsewhere for it."""
    path = tmp_path / "a home"
    yield path
    Bundle(path, env=PLAIN).destroy()


@pytest.fixture(scope="module")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    """PostgreSQL, Valkey and S3 of one test module."""
    bundle = Bundle(tmp_path_factory.mktemp("bundle") / "a home", 0, PLAIN, BACKING)
    bundle.start()
    yield bundle
    bundle.destroy()


def supervisor_process(home: Path) -> subprocess.Popen[str]:
    """Another process that supervises the backing servers in `home`; they are ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, str(home)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process
