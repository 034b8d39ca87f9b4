"""`clozone jobs`: what an operator is told, and what happens where not all can be done."""

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from job_probe import Probe
from tests.support.command import Clozone

from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import controls, reports
from clozone.jobs.control import revive_each
from clozone.jobs.enqueue import enqueue
from clozone.kit.ids import new_id
from clozone.models.operations import Job

# One of the platform's own kinds: the command runs in a process of its own.
KIND = "sessions.erase_objects"
SAME_KEY = "Another job of the same key is under way"


@pytest.fixture
def fingerprint(probe: Probe) -> Iterator[str]:
    """Of jobs of KIND, which no worker takes meanwhile."""
    fingerprint = new_id().hex
    with unit_of_work(Scope.platform()):
        controls.pause(KIND, "a test looks at them")
    yield fingerprint
    with unit_of_work(Scope.platform()):
        Job.delete().where(Job.kind == KIND).execute()


def add(key: str | None = None) -> UUID:
    with unit_of_work(Scope.platform()):
        return enqueue(KIND, {"keys": []}, dedupe_key=key)


def add_dead(fingerprint: str, *keys: str | None) -> list[UUID]:
    job_ids = [add(key) for key in keys]
    with unit_of_work(Scope.platform()):
        Job.update(state="dead", error_fingerprint=fingerprint, last_error="broken").where(
            Job.id.in_(job_ids)
        ).execute()
    return job_ids


def test_what_is_paused_and_limited_is_told_though_nothing_waits(probe: Probe, clozone: Clozone):
    with unit_of_work(Scope.platform()):
        controls.pause("llm", "the provider is down")
        controls.limit("bulk", 2)
        controls.limit("grading.grade_session", 3)
        controls.pause("outgoing", "over soon")
        controls.resume("outgoing")
    told = clozone("jobs", "status").stdout
    assert "llm: PAUSED since " in told
    assert ": the provider is down\n" in told
    assert "bulk: at most 2 at once\n" in told
    assert "outgoing:" not in told
    said = json.loads(clozone("jobs", "status", "--json").stdout)["controls"]
    assert [(one["name"], one["paused"], one["reason"], one["max_running"]) for one in said] == [
        ("bulk", False, None, 2),
        ("grading.grade_session", False, None, 3),
        ("llm", True, "the provider is down", None),
    ]


def test_a_retry_goes_on_after_one_that_has_to_be_left(
    probe: Probe, fingerprint: str, clozone: Clozone
):
    dead = add_dead(fingerprint, None, "busy", None)
    busy = add("busy")
    told = clozone("jobs", "retry", "--fingerprint", fingerprint, expect=1).stdout
    assert f"1 left as they are: {SAME_KEY}" in told
    assert "2 taken up again" in told
    assert [probe.row(job_id).state for job_id in dead] == ["queued", "dead", "queued"]
    told = clozone("jobs", "retry", dead[1], busy, dead[0], "--json", expect=1).stdout
    assert json.loads(told)["left"].keys() == {str(job_id) for job_id in (dead[1], busy, dead[0])}


def test_a_retry_takes_up_every_page(
    probe: Probe, fingerprint: str, monkeypatch: pytest.MonkeyPatch
):
    probe.attach(KIND)
    monkeypatch.setattr(reports, "PAGE", 2)
    dead = add_dead(fingerprint, *[None] * 5)
    done = revive_each(reports.dead_alike(fingerprint))
    assert (set(done.again), done.left) == (set(dead), {})


def test_a_cancel_goes_on_after_one_that_has_to_be_left(
    probe: Probe, fingerprint: str, clozone: Clozone
):
    first, second, nobody = add(), add(), new_id()
    clozone("jobs", "cancel", first)
    told = clozone("jobs", "cancel", first, nobody, second, expect=1).stdout
    assert f"{first} is left as it is: This job has already ended" in told
    assert f"{nobody} is left as it is: There is no job" in told
    assert probe.row(second).state == "cancelled"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("limit", "llm", "99999999999"), "from 1 to 100000"),
        (("limit", "llm", "0"), "pause instead"),
        (("pause", "nothing", "--reason", "x"), "There is no queue or kind nothing"),
    ],
)
def test_what_the_command_refuses(clozone: Clozone, words: tuple[str, ...], says: str):
    refused = clozone("jobs", *words, expect=1).stderr
    assert says in refused
    assert "Traceback" not in refused
