"""`clozone jobs`: the ledger, from the machine itself: look, cancel, take up again, pause, limit."""

import importlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import click

from clozone.cli.accounts import platform
from clozone.cli.job_reports import as_json_option, dead, list_jobs, print_json, show, status
from clozone.infra.cache import init_cache
from clozone.infra.postgres import Scope, unit_of_work
from clozone.infra.progress import init_progress
from clozone.jobs import control, controls
from clozone.jobs.delivery import init_delivery
from clozone.jobs.kinds import State
from clozone.jobs.reports import dead_alike
from clozone.kit.errors import DomainError
from clozone.worker import HANDLERS

_name = click.argument("name")


@click.group()
def jobs() -> None:
    """The work that is waiting, running, or was given up."""


for _report in (status, list_jobs, dead, show):
    jobs.add_command(_report)


@jobs.command()
@click.argument("job_ids", type=click.UUID, nargs=-1, required=True)
@click.option("--reason", default=control.CANCELLED, show_default=True)
def cancel(*, job_ids: tuple[UUID, ...], reason: str) -> None:
    """Cancel jobs. A running one ends at its next checkpoint, and its effects do not commit.

    The exit code is 1 when one of them could not be cancelled.
    """
    left = 0
    with _changing():
        for job_id in job_ids:
            try:
                with unit_of_work(Scope.platform()):
                    state = control.cancel(job_id, reason)
            except DomainError as error:
                left += 1
                click.echo(f"{job_id} is left as it is: {error.detail}")
            else:
                running = state is State.running
                click.echo(f"{job_id} {'is told to stop' if running else 'is cancelled'}")
    if left:
        raise SystemExit(1)


@jobs.command()
@click.argument("job_ids", type=click.UUID, nargs=-1)
@click.option("--fingerprint", help="All dead jobs that failed alike (see `jobs dead`).")
@as_json_option
def retry(*, job_ids: tuple[UUID, ...], fingerprint: str | None, as_json: bool) -> None:
    """Take dead or cancelled jobs up again, once the cause is gone.

    The exit code is 1 when one of them had to be left as it is.
    """
    if bool(job_ids) == bool(fingerprint):
        raise click.UsageError("Give either ids of jobs or --fingerprint.")
    with _changing():
        done = control.revive_each(dead_alike(fingerprint) if fingerprint else job_ids)
    if as_json:
        print_json({"again": done.again, "left": {str(key): why for key, why in done.left.items()}})
    else:
        for why, count in Counter(done.left.values()).most_common():
            click.echo(f"{count} left as they are: {why}")
        click.echo(f"{len(done.again)} taken up again")
    if done.left:
        raise SystemExit(1)


@jobs.command()
@_name
@click.option("--reason", required=True, help="Shown to whoever wonders.")
def pause(*, name: str, reason: str) -> None:
    """Take no more jobs of NAME: a queue, a kind, or `all`. What runs goes on."""
    with _changing(), unit_of_work(Scope.platform()):
        controls.pause(name, reason)
    click.echo(f"{name} is paused; `clozone jobs resume {name}` ends that")


@jobs.command()
@_name
def resume(*, name: str) -> None:
    """Take jobs of NAME again."""
    with _changing(), unit_of_work(Scope.platform()):
        controls.resume(name)
    click.echo(f"{name} is taken again")


@jobs.command()
@_name
@click.argument("max_running", type=int, required=False)
def limit(*, name: str, max_running: int | None) -> None:
    """Let at most MAX_RUNNING jobs of NAME run at once, over all workers; without it, no limit."""
    with _changing(), unit_of_work(Scope.platform()):
        controls.limit(name, max_running)
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
