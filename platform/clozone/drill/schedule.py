"""What is done to the platform and when: drawn from the seed, so that a drill can be repeated."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from clozone.drill.parts import WORKERS

PAIR_SHARE = 0.15
KILLS_PER_FREEZE = 12
KILLS_PER_WIPE = 10


class Act(StrEnum):
    """A fault. `kill` is SIGKILL, `freeze` SIGSTOP and later SIGCONT, `wipe` FLUSHALL.

    `death` is none of the drill's: a worker that ended by itself and was started again.
    """

    kill = "kill"
    freeze = "freeze"
    wipe = "wipe"
    death = "death"


@dataclass(frozen=True, slots=True)
class Step:
    """One fault: after how many seconds, what, to whom; `seconds` is how long a freeze lasts."""

    after: float
    act: Act
    victims: tuple[str, ...] = ()
    seconds: float = 0.0


def schedule(
    names: Sequence[str], kills: int, gap_seconds: float, lease_seconds: float, seed: int
) -> list[Step]:
    """Steps with exactly `kills` kills, about one each `gap_seconds`, evenly over all of `names`.

    Workers are killed twice as often as others, since they hold what can be lost. A worker is frozen
    for longer than its lease, so that it wakes up when another has its jobs.
    """
    chance = random.Random(f"faults {seed}")
    victims = _victims(names, chance)
    steps: list[Step] = []
    done = 0
    while done < kills:
        many = 2 if kills - done > 1 and chance.random() < PAIR_SHARE else 1
        pair = tuple(dict.fromkeys(next(victims) for _ in range(many)))
        steps.append(Step(gap_seconds * len(pair) * chance.uniform(0.5, 1.5), Act.kill, pair))
        done += len(pair)
    for _ in range(max(1, kills // KILLS_PER_FREEZE)):
        seconds = lease_seconds + chance.uniform(3.0, 6.0)
        victim = (chance.choice(sorted(WORKERS)),)
        _insert(steps, Step(chance.uniform(0.1, 1.0), Act.freeze, victim, seconds), chance)
    for _ in range(max(1, kills // KILLS_PER_WIPE)):
        _insert(steps, Step(chance.uniform(0.1, 1.0), Act.wipe), chance)
    return steps


def _victims(names: Sequence[str], chance: random.Random) -> Iterator[str]:
    """Endless, and fair: a bag of all names is emptied before it is filled again.

    So nobody is killed again and again at once, which would only make its supervisor more patient.
    """
    workers = [name for name in names if name in WORKERS]
    while True:
        bag = [*names, *workers]
        chance.shuffle(bag)
        yield from bag


def _insert(steps: list[Step], step: Step, chance: random.Random) -> None:
    steps.insert(chance.randint(len(steps) // 4, max(len(steps) - 1, 0)), step)
