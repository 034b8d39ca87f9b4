"""`clozone analytics`: the rollup behind the analytics, checked and made anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import click

from clozone.analytics import recount
from clozone.cli.accounts import platform
from clozone.infra.cache import init_cache
from clozone.infra.postgres import Scope, unit_of_work
from clozone.infra.records import Record
from clozone.sessions.rollup import KEY, SUMS

SHOWN = 20

_organization = click.option(
    "--org", "org_id", type=click.UUID, help="One organisation; default: all of them."
)


@click.group()
def analytics() -> None:
    """Check or rebuild the figures behind the analytics."""


@contextmanager
def _figures() -> Iterator[None]:
    with platform() as settings:
        init_cache(settings)
        yield


@analytics.command()
@_organization
def verify(org_id: UUID | None) -> None:
    """Compare the rollup with a recount from the sessions; exit 1 when they differ."""
    found = 0
    with _figures():
        for organization in _organizations(org_id):
            with unit_of_work(Scope.platform()):
                differences = recount.differences(organization)
            for difference in differences[: max(0, SHOWN - found)]:
                click.echo(_described(difference))
            found += len(differences)
    if found > SHOWN:
        click.echo(f"… and {found - SHOWN} more")
    if found:
        raise click.ClickException(
            f"{found} rows differ from a recount; `clozone analytics rebuild` mends them"
        )
    click.echo("the rollup equals a recount from the sessions")


@analytics.command()
@_organization
def rebuild(org_id: UUID | None) -> None:
    """Make the rollup anew from the sessions, one organisation after the other.

    Loses nothing at any time: readers see the old figures until the new ones are there. Changes
    of the organisation's sessions wait a second at most; then jobs are put off, and people asked
    to come again.
    """
    rows = 0
    with _figures():
        for organization in _organizations(org_id):
            with unit_of_work(Scope.platform()):
                rows += recount.rebuild(organization)
    click.echo(f"rebuilt: {rows} rows")


def _organizations(org_id: UUID | None) -> Iterator[UUID]:
    """The organisations to go through; tells how far it is, when there are several."""
    with unit_of_work(Scope.platform()):
        known = recount.organizations()
    if org_id is not None and org_id not in known:
        raise click.BadParameter("there is no such organisation", param_hint="--org")
    chosen = known if org_id is None else [org_id]
    for number, organization in enumerate(chosen, start=1):
        yield organization
        if len(chosen) > 1:
            click.echo(f"{number} of {len(chosen)} organisations: {organization}", err=True)


def _described(difference: Record) -> str:
    place = " ".join(f"{name}={difference[name]}" for name in KEY)
    changes = [
        f"{name} {difference[f'rollup_{name}']}, recounted {difference[f'recount_{name}']}"
        for name in SUMS
        if difference[f"rollup_{name}"] != difference[f"recount_{name}"]
    ]
    if difference["rollup_score_counts"] != difference["recount_score_counts"]:
        changes.append("score_counts differ")
    return f"{place}: {'; '.join(changes)}"
