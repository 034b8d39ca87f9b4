"""Three times what can be served, for half a minute: what is still served, and what becomes of the rest."""

import json
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from bench.queue.figures import Figure, alone, beside
from bench.reads import analytics
from bench.reads.open_loop import DRAIN_SECONDS, Order, Tally
from bench.reads.processes import resident_bytes
from bench.reads.run import Run
from bench.reads.stacks import Pair
from bench.reads.uncached import UNCACHED

SECONDS = 30.0
TIMES_THE_PEAK = 3.0
GOODPUT = 0.8
MEMORY = 1.1
WEBHOOKS_PER_SECOND = 20.0
SENDERS = 2
# Half of what nginx has for both its sides; the bundle's is 2,048.
CONNECTIONS = 450
PEAK_CONNECTIONS = 32
_START_SECONDS = 30.0


def measure(run: Run) -> Iterator[Figure]:
    """Uncached reports and lists through nginx and two processes, webhooks beside them."""
    peaks, goods, webhooks, refusals, slowest, grown, unsent = [], [], [], [], [], [], []
    with run.stage.stacks.ours_behind_nginx(run.main_size, **UNCACHED) as pair:
        _load(run, pair, 0, run.seconds)
        for number in range(run.rounds):
            peak = _served(_load(run, pair, 0, SECONDS / 3)[0], SECONDS / 3)
            before = resident_bytes(pair.pids)
            reads, posts = _load(run, pair, TIMES_THE_PEAK * peak, SECONDS)
            after = resident_bytes(pair.pids)
            refused = reads.times.get("503", [0.0])
            peaks.append(peak)
            goods.append(_served(reads, SECONDS))
            webhooks.append(100 * posts.counts["200"] / max(sum(posts.counts.values()), 1))
            refusals.append(statistics.median(refused))
            slowest.append(statistics.quantiles(refused, n=100)[98] if len(refused) > 1 else 0.0)
            grown.append(after / before)
            unsent.append(100 * reads.counts["unsent"] / max(sum(reads.counts.values()), 1))
            told = {
                "peak": round(peak, 1),
                "goodput": round(goods[-1], 1),
                **{f"reads {status}": count for status, count in sorted(reads.counts.items())},
                **{f"webhooks {status}": count for status, count in sorted(posts.counts.items())},
                "memory_mb_before": before / 2**20,
                "memory_mb_after": after / 2**20,
            }
            run.tell("overload", number, told)
    with run.stage.stores.database(run.main_size) as connection:
        connection.execute("TRUNCATE webhook_events, jobs CASCADE")
    name = f"at {TIMES_THE_PEAK:g} x the peak for {SECONDS:g} s"
    yield beside(
        f"{name}: answers of 200, beside the peak",
        goods,
        peaks,
        "requests/s",
        f"at least {GOODPUT:g} x",
        lambda ratio: ratio >= GOODPUT,
    )
    every = all(share == 100 for share in webhooks)
    yield alone(f"{name}: webhooks accepted", webhooks, "%", "all", lambda _: every)
    yield alone(f"{name}: time to a 503, p50", refusals, "ms")
    yield alone(f"{name}: time to a 503, p99", slowest, "ms")
    yield alone(
        f"{name}: memory of the web processes, after ÷ before",
        grown,
        "x",
        f"at most {MEMORY:g} x",
        lambda times: times <= MEMORY,
    )
    yield alone(f"{name}: reads not sent, all connections being in use", unsent, "%")


def _load(run: Run, pair: Pair, rate: float, seconds: float) -> tuple[Tally, Tally]:
    """What came of the reads and of the webhooks; a rate of 0 is the closed loop."""
    people = run.stage.people
    paths = (analytics.OURS, "/api/sessions?limit=25")
    reads = [
        (paths[(place // len(paths)) % len(paths)], token)
        for place, token in enumerate(people.managers)
    ]
    connections = (CONNECTIONS if rate else PEAK_CONNECTIONS) // SENDERS
    orders = [Order(pair.port, seconds, rate / SENDERS, connections, reads, "")] * SENDERS
    secret = run.stage.webhook_secret
    posts = Order(pair.port, seconds, WEBHOOKS_PER_SECOND, 100, [], secret)
    with ThreadPoolExecutor(SENDERS + 1) as pool:
        *tallies, webhooks = pool.map(_run, [*orders, posts])
    together = Tally()
    for tally in tallies:
        together.counts += Counter(tally.counts)
        for status, times in tally.times.items():
            together.times.setdefault(status, []).extend(times)
    return together, webhooks


def _run(order: Order) -> Tally:
    result = subprocess.run(
        [sys.executable, "-m", "bench.reads.open_loop"],
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        check=False,
        timeout=order.seconds + DRAIN_SECONDS + _START_SECONDS,
    )
    if result.returncode != 0:
        raise SystemExit(f"A sender failed:\n{result.stderr[-2000:]}")
    found = json.loads(result.stdout)
    return Tally(Counter(found["counts"]), found["times"])


def _served(reads: Tally, seconds: float) -> float:
    return reads.counts["200"] / seconds
