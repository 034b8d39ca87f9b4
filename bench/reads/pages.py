"""A deep page of a list beside its first page: ours by keyset, the rival's by OFFSET."""

from collections.abc import Iterator
from urllib.parse import quote

from bench.queue.figures import Figure, beside
from bench.reads.asking import ask
from bench.reads.people import BIG_ORGANISATION, BIG_PROFILES
from bench.reads.run import Case, Run

AT_MOST = 1.2
DEEP = 1_000
PAGE = 20
SESSIONS_PAGE = 10
LARGEST_PAGE = 100
_SESSIONS_OF_ONE = """SELECT count(*) FROM training_sessions WHERE deleted_at IS NULL
  AND org_id = (SELECT org_id FROM profiles WHERE id = md5('user7')::uuid)"""


def measure(run: Run) -> Iterator[Figure]:
    """Page 1 and page 1,000, one connection. The last page of a list that has fewer."""
    size = run.main_size
    people = run.stage.people
    with run.stage.stores.database(size) as connection:
        row = connection.execute(_SESSIONS_OF_ONE).fetchone()
    assert row is not None
    deep_sessions = min(DEEP, row[0] // SESSIONS_PAGE)
    deep_users = min(DEEP, BIG_PROFILES // PAGE)
    users = (f"/api/users?limit={PAGE}", people.of_big_organisation)
    sessions = (f"/api/sessions?limit={SESSIONS_PAGE}", people.manager_of(7))
    other = f"/api/users?org_id={BIG_ORGANISATION}&page_size={PAGE}&page="
    with run.stage.stacks.ours(size) as ours, run.stage.stacks.rival(size) as rival:

        def case(path: str, token: str | None = None) -> Case:
            requests = run.stage.requests([f"{path} {token or ''}".strip()])
            return Case(ours if token else rival, requests, connections=1)

        loads = run.take_turns(
            "pages",
            {
                "users, page 1": case(*users),
                "users, deep page": case(_deep(ours.port, *users, deep_users), users[1]),
                "sessions, page 1": case(*sessions),
                "sessions, deep page": case(
                    _deep(ours.port, *sessions, deep_sessions), sessions[1]
                ),
                "the rival's users, page 1": case(f"{other}0"),
                "the rival's users, deep page": case(f"{other}{deep_users - 1}"),
            },
        )
    pages = {"users": deep_users, "sessions": deep_sessions, "the rival's users": deep_users}
    for name, deep in pages.items():
        yield beside(
            f"list of {name}: page {deep:,} beside page 1, p50",
            [load.p50_ms for load in loads[f"{name}, deep page"]],
            [load.p50_ms for load in loads[f"{name}, page 1"]],
            "ms",
            None if "rival" in name else f"at most {AT_MOST} x",
            None if "rival" in name else lambda ratio: ratio <= AT_MOST,
        )


def _deep(port: int, path: str, token: str, page: int) -> str:
    """The address of a page, found by reading all before it in larger steps."""
    first, _, limit = path.partition("limit=")
    rest, cursor = (page - 1) * int(limit), ""
    while rest:
        step = min(rest, LARGEST_PAGE)
        found = ask(port, f"{first}limit={step}{cursor}", token)
        cursor = f"&cursor={quote(found['next_cursor'])}"
        rest -= step
    return f"{path}{cursor}"
