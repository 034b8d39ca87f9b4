"""`clozone jobs`: the ledger, from the machine itself: look, cancel, take up again, pause, limit."""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click

from clozone.cli.accounts import platform
from clozone.infra.cache import init_cache
from clozone.infra.postgres import Scope, unit_of_work
from clozone.infra.progress import init_progress
from clozone.jobs import control
from clozone.jobs.delivery import init_delivery
from clozone.jobs.kinds import State
from clozone.kit.clock import iso, now
from clozone.kit.errors import NotFound
from clozone.models.operations import Job, JobAttempt
from clozone.worker import HANDLERS

_as_json = click.option("--json", "as_json", is_flag=True, help="For programs.")
_ids = click.argument("job_ids", type=click.UUID, nargs=-1, required=True)
_name = click.argument("name")


@click.group()
def jobs() -> None:
    """The work that is waiting, running, or was given up."""


@jobs.command()
@_as_json
def status(*, as_json: bool) -> None:
    """How much of each kind waits, runs and was given up, and what an operator has set."""
    with platform(), unit_of_work(Scope.platform()):
        lines = control.backlog()
    if as_json:
        _print([asdict(line) for line in lines])
        return
    if not lines:
        click.echo("Nothing waits, nothing runs, nothing was given up.")
    for line in lines:
        counts = "  ".join(f"{count} {state}" for state, count in sorted(line.counts.items()))
        waits = ""
        if line.oldest_queued_at is not None:
            waits = f"  oldest waits {(now() - line.oldest_queued_at).total_seconds():.0f} s"
        said = "  PAUSED" if line.paused else ""
        if line.max_running is not None:
            said += f"  at most {line.max_running} at once"
        click.echo(f"{line.queue:<12} {line.kind:<28} {counts}{waits}{said}")


@jobs.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([*State]), help="Repeatable.")
@click.option("--kind", help="Only of this kind.")
@click.option("--organization", type=click.UUID, help="Only this organisation's.")
@click.option("--fingerprint", help="Only those that failed alike (see `jobs dead`).")
@click.option("--before", type=click.UUID, help="Older than this job: the next page.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@_as_json
def list_jobs(
    *,
    states: tuple[str, ...],
    kind: str | None,
    organization: UUID | None,
    fingerprint: str | None,
    before: UUID | None,
    limit: int,
    as_json: bool,
) -> None:
    """List jobs, newest first."""
    with platform(), unit_of_work(Scope.platform()):
        found = control.listed(
            states=[State(state) for state in states],
            kind=kind,
            org_id=organization,
            fingerprint=fingerprint,
            before=before,
            limit=limit,
        )
    if as_json:
        _print([job.__data__ for job in found])
        return
    for job in found:
        click.echo(f"{job.id}  {job.state:<9}  {job.kind:<28}  {job.last_error or ''}".rstrip())


@jobs.command()
@_as_json
def dead(*, as_json: bool) -> None:
    """What jobs were given up for, most frequent first."""
    with platform(), unit_of_work(Scope.platform()):
        letters = control.dead_letters()
    if as_json:
        _print([asdict(letter) for letter in letters])
        return
    if not letters:
        click.echo("No job was given up.")
    for letter in letters:
        click.echo(
            f"{letter.jobs} × {letter.kind}: {letter.error}\n"
            f"    {iso(letter.first_at)} … {iso(letter.last_at)}  fingerprint {letter.fingerprint}"
        )


@jobs.command()
@click.argument("job_id", type=click.UUID)
@_as_json
def show(*, job_id: UUID, as_json: bool) -> None:
    """Show one job and its tries."""
    with platform(), unit_of_work(Scope.platform()):
        job = Job.get_or_none(Job.id == job_id)
        if job is None:
            raise NotFound(f"There is no job {job_id}. Finished ones leave after JOB_KEEP_DAYS.")
        tries = list(
            JobAttempt.select().where(JobAttempt.job_id == job_id).order_by(JobAttempt.attempt)
        )
    if as_json:
        _print(job.__data__ | {"tries": [attempt.__data__ for attempt in tries]})
        return
    for name, value in job.__data__.items():
        if value is not None and name != "turn_of":
            click.echo(f"{name:20} {value}")
    for attempt in tries:
        took = (attempt.finished_at - attempt.started_at).total_seconds()
        click.echo(
            f"  try {attempt.attempt}: {attempt.outcome} after {took:.2f} s on {attempt.worker}"
            f"  {attempt.error or ''}".rstrip()
        )


@jobs.command()
@_ids
@click.option("--reason", default=control.CANCELLED, show_default=True)
def cancel(*, job_ids: tuple[UUID, ...], reason: str) -> None:
    """Cancel jobs. A running one ends at its next checkpoint, and its effects do not commit."""
    with _changing():
        for job_id in job_ids:
            with unit_of_work(Scope.platform()):
                state = control.cancel(job_id, reason)
            running = state is State.running
            click.echo(f"{job_id} {'is told to stop' if running else 'is cancelled'}")


@jobs.command()
@click.argument("job_ids", type=click.UUID, nargs=-1)
@click.option("--fingerprint", help="All dead jobs that failed alike (see `jobs dead`).")
def retry(*, job_ids: tuple[UUID, ...], fingerprint: str | None) -> None:
    """Take dead or cancelled jobs up again, once the cause is gone."""
    if bool(job_ids) == bool(fingerprint):
        raise click.UsageError("Give either ids of jobs or --fingerprint.")
    with _changing():
        if fingerprint:
            with unit_of_work(Scope.platform()):
                alike = control.listed(states=[State.dead], fingerprint=fingerprint, limit=1000)
            job_ids = tuple(job.id for job in alike)
        for job_id in job_ids:
            with unit_of_work(Scope.platform()):
                control.revive(job_id)
    click.echo(f"{len(job_ids)} taken up again")


@jobs.command()
@_name
@click.option("--reason", required=True, help="Shown to whoever wonders.")
def pause(*, name: str, reason: str) -> None:
    """Take no more jobs of NAME: a queue, a kind, or `all`. What runs goes on."""
    with _changing(), unit_of_work(Scope.platform()):
        control.pause(name, reason)
    click.echo(f"{name} is paused; `clozone jobs resume {name}` ends that")


@jobs.command()
@_name
def resume(*, name: str) -> None:
    """Take jobs of NAME again."""
    with _changing(), unit_of_work(Scope.platform()):
        control.resume(name)
    click.echo(f"{name} is taken again")


@jobs.command()
@_name
@click.argument("max_running", type=int, required=False)
def limit(*, name: str, max_running: int | None) -> None:
    """Let at most MAX_RUNNING jobs of NAME run at once, over all workers; without it, no limit."""
    with _changing(), unit_of_work(Scope.platform()):
        control.limit(name, max_running)
    said = "as many as there is room for" if max_running is None else f"at most {max_running}"
    click.echo(f"{name}: {said} at once")


@contextmanager
def _changing() -> Iterator[None]:
    """The platform, with all that the end or the revival of a job may want to tell."""
    with platform() as settings:
        init_delivery(settings)
        init_cache(settings)
        init_progress(settings)
        for module in HANDLERS:
            importlib.import_module(module)
        yield


def _print(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=str))
