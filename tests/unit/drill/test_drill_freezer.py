"""Whoever is frozen is woken up again, whatever becomes of the drill."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clozone.local.identity import identity

SECONDS = 1.0
# It answers each line that it reads, while it is not frozen.
ECHO = (sys.executable, "-IS", "-uc", "for line in open(0): print(line, end='')")


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(ECHO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert says(process, "awake")
    yield process
    process.kill()
    process.communicate()


def says(process: "subprocess.Popen[str]", word: str) -> bool:
    """Whether the process answers, in the end."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    return process.stdout.readline() == f"{word}\n"


def is_frozen(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


def command(pid: int, seconds: float) -> list[str]:
    known = identity(pid) or ""
    return [sys.executable, "-m", "clozone.drill.freezer", str(pid), known, str(seconds)]


def test_who_is_frozen_wakes_up_though_the_drill_was_killed(
    victim: "subprocess.Popen[str]",
) -> None:
    # A drill that starts a freezer, tells its number, and is killed.
    words = command(victim.pid, SECONDS)
    drill = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import subprocess, sys, time\n"
            "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, start_new_session=True)\n"
            "print(child.stdout.readline().decode(), flush=True)\n"
            "time.sleep(300)",
            *words,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert drill.stdout is not None
    assert drill.stdout.readline() == "frozen\n"
    assert is_frozen(victim.pid)
    drill.kill()
    drill.communicate()
    assert says(victim, "awake again")


def test_a_freeze_can_be_ended_early(victim: "subprocess.Popen[str]") -> None:
    freezer = subprocess.Popen(command(victim.pid, 300), stdout=subprocess.PIPE, text=True)
    assert freezer.stdout is not None
    assert freezer.stdout.readline() == "frozen\n"
    assert is_frozen(victim.pid)
    freezer.send_signal(signal.SIGTERM)
    freezer.communicate()
    assert says(victim, "awake again")


def test_another_with_the_same_number_is_not_frozen(victim: "subprocess.Popen[str]") -> None:
    words = command(victim.pid, 300)
    words[4] = "another boot:1"
    assert subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode == 1
    assert not is_frozen(victim.pid)
