from collections import Counter

import pytest

from clozone.drill.parts import SECOND_WORKER
from clozone.drill.schedule import Act, schedule

NAMES = [
    "postgres",
    "valkey",
    "s3",
    "nginx",
    "web-1",
    "web-2",
    "worker",
    "scheduler",
    SECOND_WORKER,
]


@pytest.mark.parametrize("kills", [1, 2, 12, 60])
def test_there_are_exactly_as_many_kills_as_asked_for(kills: int) -> None:
    for seed in range(20):
        steps = schedule(NAMES, kills, 4.0, 6.0, seed)
        assert sum(len(step.victims) for step in steps if step.act is Act.kill) == kills


def test_sixty_kills_hit_everybody_and_workers_most() -> None:
    steps = schedule(NAMES, 60, 4.0, 6.0, seed=1)
    hits = Counter(name for step in steps if step.act is Act.kill for name in step.victims)
    assert set(hits) == set(NAMES)
    others = [count for name, count in hits.items() if "worker" not in name]
    assert min(hits["worker"], hits[SECOND_WORKER]) > max(others)


def test_workers_are_frozen_for_longer_than_their_lease() -> None:
    frozen = [step for step in schedule(NAMES, 24, 4.0, 6.0, seed=1) if step.act is Act.freeze]
    assert frozen
    assert all(step.seconds > 6.0 for step in frozen)
    assert {name for step in frozen for name in step.victims} <= {"worker", SECOND_WORKER}


def test_redis_is_wiped_and_the_seed_decides() -> None:
    steps = schedule(NAMES, 24, 4.0, 6.0, seed=1)
    assert any(step.act is Act.wipe for step in steps)
    assert steps == schedule(NAMES, 24, 4.0, 6.0, seed=1)
    assert steps != schedule(NAMES, 24, 4.0, 6.0, seed=2)
