import os
from collections.abc import Iterator

import pytest
from tests.chaos.drilled import Drilled

from clozone.drill.fresh import fresh_bundle
from clozone.drill.orders import Orders
from clozone.drill.run import Drill
from clozone.drill.target import find_target

# The short form: everybody is killed once, workers twice, and it is over within two minutes.
SHORT = Orders(calls=50, kills=11, seed=20_261_124, timeout_seconds=400)


@pytest.fixture(scope="session")
def drilled() -> Iterator[Drilled]:
    """A bundle after a drill, still running."""
    with fresh_bundle(os.environ, progress=lambda _news: None) as home:
        drill = Drill(find_target(home), SHORT, alone=True)
        report = drill.run()
        assert drill.evidence is not None
        yield Drilled(report, drill.evidence)
