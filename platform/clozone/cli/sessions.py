"""`clozone session`: what an operator does about single sessions."""

from uuid import UUID

import click

from clozone.cli.accounts import platform
from clozone.infra.cache import init_cache
from clozone.infra.postgres import Scope, unit_of_work
from clozone.infra.progress import init_progress
from clozone.jobs.delivery import init_delivery
from clozone.sessions import lifecycle


@click.group()
def session() -> None:
    """Look after single sessions."""


@session.command()
@click.argument("session_id", type=click.UUID)
def retry(session_id: UUID) -> None:
    """Grade a session again whose grading failed, once the cause is gone."""
    with platform() as settings:
        init_delivery(settings)
        init_cache(settings)
        init_progress(settings)
        with unit_of_work(Scope.platform()):
            lifecycle.try_again(session_id)
    click.echo(f"{session_id} is being graded again")
