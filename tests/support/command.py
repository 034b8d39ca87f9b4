"""`clozone VERB …` as an operator runs it."""

import os
import subprocess
import sys
from collections.abc import Callable

Clozone = Callable[..., "subprocess.CompletedProcess[str]"]


def command_in(environment: dict[str, str]) -> Clozone:
    """Runs a command to its end and expects its exit code, 0 unless `expect` says otherwise."""

    def run(*words: object, expect: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "clozone", *map(str, words)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return run
