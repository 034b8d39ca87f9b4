"""The requests for an organisation's last thirty days, of both stacks, and a look at what they give."""

import json
from collections.abc import Iterable

from bench.reads.asking import ask
from bench.reads.people import ORGANISATIONS
from bench.reads.run import Run
from bench.reads.wrk import Requests

OURS = "/api/analytics?period=30d"
RANKING = "/api/analytics/users?period=30d"
# Thirty whole days, or thirty times 24 hours; and ours were graded, theirs completed.
AGREEMENT = 0.15


def ours(run: Run, path: str = OURS) -> Requests:
    """1,000 managers of 50 organisations, each with a token."""
    return run.stage.requests([f"{path} {token}" for token in run.stage.people.managers])


def theirs(run: Run, options: str = "") -> Requests:
    """The same 50 organisations; the rival asks nobody who they are."""
    paths = [f"/api/analytics?org_id={each}&period=30d{options}" for each in ORGANISATIONS]
    return run.stage.requests(paths)


def warm(run: Run, size: str, ports: Iterable[int], requests: Requests) -> None:
    """Give the rival's cache all that will be asked, for its whole lifetime."""
    run.stage.stores.forget_theirs(size)
    lines = requests.file.read_text().splitlines()
    for port in ports:
        for path in lines:
            ask(port, path)


def require_agreement(run: Run, our_port: int, their_port: int) -> None:
    """End the bench unless both count about the same calls of the same organisation."""
    place = 7
    mine = ask(our_port, OURS, run.stage.people.manager_of(place))
    path = f"/api/analytics?org_id={ORGANISATIONS[place]}&period=30d&nocache=1"
    theirs = [ask(their_port, f"{path}{form}") for form in ("", "&agg=sql")]
    ours, counts = mine["totals"]["graded"], [answer["completed"] for answer in theirs]
    if counts[0] != counts[1] or not ours or abs(ours / counts[0] - 1) > AGREEMENT:
        raise SystemExit(f"The stacks do not agree: ours counts {ours} calls, the rival {counts}.")
    print(f"  one organisation: {ours} calls, {counts[0]} at the rival's; about", end=" ")
    print(f"{len(json.dumps(mine))} bytes, {len(json.dumps(theirs[0]))} at the rival's")
