"""What a failure looks like in the ledger: when to try again, in which words, which are alike."""

import hashlib
import random
import re
import traceback

from clozone.kit.errors import Permanent

# Lost workers after which a job is given none any more: a poison pill.
POISON_AFTER = 3

MAX_BACKOFF_SECONDS = 3_600.0
# What somebody else asks for is obeyed, within reason.
MAX_REQUESTED_WAIT_SECONDS = 86_400.0


class TimedOut(Exception):
    """A try took longer than its kind may."""


class Quarantined(Permanent):
    """A job that took too many workers down with it, and is not given a further one."""

    def __init__(self, lost: int) -> None:
        super().__init__(f"{lost} workers fell silent while running it")


def backoff(base: float, failures: int) -> float:
    """Seconds to wait after the n-th failure: exponential, with up to a quarter of jitter."""
    wait: float = base * 2.0 ** (failures - 1)
    return min(wait, MAX_BACKOFF_SECONDS) * random.uniform(1, 1.25)


def brief(error: BaseException) -> str:
    """Type and first line of an error: further lines quote data, PostgreSQL's the row."""
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first}"[:500]


def fingerprint(error: BaseException) -> str:
    """A short mark that equal failures share: type, place and message without its particulars."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].name}" if frames else ""
    words = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "#", str(error))
    return hashlib.sha256(f"{type(error).__name__}|{place}|{words}".encode()).hexdigest()[:16]
