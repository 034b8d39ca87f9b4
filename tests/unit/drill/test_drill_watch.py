"""A worker that ends by itself is on record, one that the drill killed is not counted twice."""

from dataclasses import dataclass, field
from typing import cast

import pytest
from tests.support.platform import eventually

from clozone.drill.incidents import Incidents
from clozone.drill.parts import Living, Parts
from clozone.drill.schedule import Act
from clozone.drill.watch import Watch
from clozone.kit.clock import now


@dataclass
class Workers:
    """The two facts of a bundle's parts that are looked at."""

    running: dict[str, Living]
    asked: int = field(default=0)

    def living(self, name: str) -> Living | None:
        self.asked += 1
        return self.running.get(name)

    def is_ready(self, name: str) -> bool:
        return name in self.running


@pytest.mark.parametrize("killed", [True, False])
def test_only_a_death_that_nobody_caused_is_noted(killed: bool) -> None:
    workers, incidents = Workers({"worker": Living("worker", 7, "a")}), Incidents()
    watch = Watch(cast(Parts, workers), incidents)
    watch.start()
    eventually(lambda: workers.asked > 4)
    if killed:
        incident = incidents.note(Act.kill, "worker", now(), 7)
        watch.expect_back(incident, workers.running["worker"])
    workers.running["worker"] = Living("worker", 8, "b")
    before = workers.asked
    eventually(lambda: workers.asked > before + 8)
    watch.end()
    (noted,) = incidents.all()
    assert (noted.act, noted.pid) == (Act.kill if killed else Act.death, 7)
    assert noted.ended_at is not None
