"""One worker's side of a database of its own, told what to do line by line: JSON in, JSON out.

    {"do": "fill", "jobs": 1000, "organisations": 10}
    {"do": "churn", "jobs": 20000}       work off and replace so many, in turns of 50
    {"do": "claim", "times": 20}         answers the milliseconds of each claim
    {"do": "buffers"}                    answers the pages one claim touches

Claims are `ledger.claim_turn` as the runner calls it. What was claimed is finished and replaced by
another job of its organisation, outside the measured time, so that the number of jobs stays.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from bench.queue.ours import ensure_organisations, fill

from clozone.infra.postgres import (
    Scope,
    close_database,
    database,
    init_database,
    init_database_as_owner,
    unit_of_work,
)
from clozone.jobs import ledger
from clozone.jobs.delivery import init_delivery
from clozone.jobs.enqueue import Order, enqueue_many
from clozone.jobs.kinds import KINDS, Kind, Queue
from clozone.jobs.ledger import Claim
from clozone.models import schema
from clozone.settings import load_settings

KIND = Kind("bench.insert", Queue.interactive)
# A worker of the platform looks for all its kinds, most of which have nothing waiting.
OTHERS = [kind for kind in KINDS.values() if kind.queue is KIND.queue]
LEASE_SECONDS = 600.0
CHURN_TURN = 50


class Claimer:
    """The worker's side of one database."""

    def __init__(self) -> None:
        settings = load_settings()
        init_database_as_owner(settings)
        schema.migrate(settings)
        close_database()
        init_database(settings, pool_size=1)
        init_delivery(settings)
        KINDS[KIND.name] = KIND
        self._last: UUID | None = None

    def fill(self, jobs: int, organisations: int) -> int:
        """Add jobs, spread evenly, as many organisations as there can be."""
        count = min(jobs, organisations)
        ensure_organisations(count)
        fill("insert", 0, jobs, 1_000, range(1, count + 1))
        return jobs

    def claim(self, times: int) -> list[float]:
        """Take so many turns of one job; the milliseconds of each."""
        return [self._claim(1)[0] for _ in range(times)]

    def churn(self, jobs: int) -> int:
        """Work off and replace so many jobs, and so leave as many dead rows and index entries."""
        done = 0
        while done < jobs:
            done += len(self._claim(CHURN_TURN)[1])
        return done

    def buffers(self) -> int:
        """The pages that one claim touches, by the server's count."""
        with unit_of_work(Scope.platform()):
            (plan,) = database.execute_sql(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM claim_turn(%s, %s::text[], "
                "%s::integer[], %s::integer[], %s::uuid, 'bench', '10 minutes')",
                ("interactive", [KIND.name], [1], [None], self._last),
            ).fetchone()
        node: dict[str, Any] = plan[0]["Plan"]
        return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])

    def _claim(self, turn: int) -> tuple[float, list[Claim]]:
        kinds = [*OTHERS, Kind(KIND.name, KIND.queue, turn=turn)]
        began = time.perf_counter()
        claims = ledger.claim_turn(KIND.queue, kinds, self._last, "bench", LEASE_SECONDS)
        took = (time.perf_counter() - began) * 1_000
        self._last = claims[0].turn_of
        org_id = claims[0].org_id
        assert org_id is not None
        with unit_of_work(Scope.tenant(org_id)):
            ledger.finish(claims)
            enqueue_many(KIND.name, [Order(claim.payload) for claim in claims])
        return took, claims


def main() -> None:
    """Obey until the input ends."""
    claimer = Claimer()
    verbs: dict[str, Callable[..., object]] = {
        "fill": claimer.fill,
        "churn": claimer.churn,
        "claim": claimer.claim,
        "buffers": claimer.buffers,
    }
    for line in sys.stdin:
        words = json.loads(line)
        print(json.dumps(verbs[words.pop("do")](**words)), flush=True)


if __name__ == "__main__":
    main()
