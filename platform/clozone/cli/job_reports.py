"""`clozone jobs status`, `list`, `dead`, `show`: looking at the ledger."""

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click

from clozone.cli.accounts import platform
from clozone.infra.postgres import Scope, unit_of_work
from clozone.jobs import reports
from clozone.jobs.controls import Control, controls
from clozone.jobs.kinds import State
from clozone.kit.clock import iso, now
from clozone.kit.errors import NotFound
from clozone.models.operations import Job, JobAttempt

as_json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.command()
@as_json_option
def status(*, as_json: bool) -> None:
    """What an operator has set, and how much of each kind waits, runs and was given up."""
    with platform(), unit_of_work(Scope.platform()):
        said = controls()
        lines = reports.backlog()
    if as_json:
        print_json(
            {
                "controls": [asdict(control) for control in said],
                "kinds": [asdict(line) for line in lines],
            }
        )
        return
    for control in said:
        click.echo(f"{control.name}: {_says(control)}")
    if not lines:
        click.echo("Nothing waits, nothing runs, nothing was given up.")
    for line in lines:
        counts = "  ".join(f"{count} {state}" for state, count in sorted(line.counts.items()))
        waits = ""
        if line.oldest_queued_at is not None:
            waits = f"  oldest waits {(now() - line.oldest_queued_at).total_seconds():.0f} s"
        mark = "  PAUSED" if line.paused else ""
        if line.max_running is not None:
            mark += f"  at most {line.max_running} at once"
        click.echo(f"{line.queue:<12} {line.kind:<28} {counts}{waits}{mark}")


def _says(control: Control) -> str:
    limit = f"at most {control.max_running} at once" if control.max_running is not None else ""
    if not control.paused:
        return limit
    paused = f"PAUSED since {iso(control.updated_at)}: {control.reason}"
    return f"{limit}, {paused}" if limit else paused


@click.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice([*State]), help="Repeatable.")
@click.option("--kind", help="Only of this kind.")
@click.option("--organization", type=click.UUID, help="Only this organisation's.")
@click.option("--fingerprint", help="Only those that failed alike (see `jobs dead`).")
@click.option("--before", type=click.UUID, help="Older than this job: the next page.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@as_json_option
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
        found = reports.listed(
            states=[State(state) for state in states],
            kind=kind,
            org_id=organization,
            fingerprint=fingerprint,
            before=before,
            limit=limit,
        )
    if as_json:
        print_json([job.__data__ for job in found])
        return
    for job in found:
        click.echo(f"{job.id}  {job.state:<9}  {job.kind:<28}  {job.last_error or ''}".rstrip())


@click.command()
@as_json_option
def dead(*, as_json: bool) -> None:
    """What jobs were given up for, most frequent first."""
    with platform(), unit_of_work(Scope.platform()):
        letters = reports.dead_letters()
    if as_json:
        print_json([asdict(letter) for letter in letters])
        return
    if not letters:
        click.echo("No job was given up.")
    for letter in letters:
        click.echo(
            f"{letter.jobs} × {letter.kind}: {letter.error}\n"
            f"    {iso(letter.first_at)} … {iso(letter.last_at)}  fingerprint {letter.fingerprint}"
        )


@click.command()
@click.argument("job_id", type=click.UUID)
@as_json_option
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
        print_json(job.__data__ | {"tries": [attempt.__data__ for attempt in tries]})
        return
    for name, value in job.__data__.items():
        if value is not None:
            click.echo(f"{name:20} {value}")
    for attempt in tries:
        took = (attempt.finished_at - attempt.started_at).total_seconds()
        click.echo(
            f"  try {attempt.attempt}: {attempt.outcome} after {took:.2f} s on {attempt.worker}"
            f"  {attempt.error or ''}".rstrip()
        )


def print_json(value: Any) -> None:
    """What programs read."""
    click.echo(json.dumps(value, indent=2, default=str))
