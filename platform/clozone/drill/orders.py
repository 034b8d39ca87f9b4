"""What a drill is told to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Orders:
    """How many calls and kills, from which seed, and for how many seconds at most."""

    calls: int
    kills: int
    seed: int
    timeout_seconds: float
