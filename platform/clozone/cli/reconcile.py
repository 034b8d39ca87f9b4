"""`clozone reconcile`: look for what was missed, and mend it."""

import json
from collections import Counter
from datetime import datetime

import click

from clozone.cli.accounts import platform
from clozone.cli.moments import MOMENT
from clozone.infra.cache import init_cache
from clozone.infra.object_storage import init_object_storage
from clozone.infra.progress import init_progress
from clozone.jobs.delivery import init_delivery
from clozone.kit.clock import iso
from clozone.reconciler.findings import Account
from clozone.reconciler.service import Run

SHOWN = 50


@click.command()
@click.option(
    "--since",
    type=MOMENT,
    help="Look at what changed from then on: a time, or 2h, 3d for how long ago. Default: "
    "RECONCILE_LOOKBACK_HOURS, and Vapi's calls from where the last run ended.",
)
@click.option("--dry-run", is_flag=True, help="Only say what is amiss.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(since: datetime | None, dry_run: bool, as_json: bool) -> None:
    """Compare Vapi's calls, the inbox, sessions, grades and stored files, and mend what is missing.

    Without VAPI_API_KEY only what is ours is compared. Running it twice changes nothing more. Exit
    code 1 when something could not be asked or mended.
    """
    with platform() as settings:
        init_delivery(settings)
        init_cache(settings)
        init_progress(settings)
        init_object_storage(settings)
        account = Run(settings, since=since, dry_run=dry_run).run()
    if as_json:
        click.echo(json.dumps(_document(account), indent=2))
    else:
        _print(account)
    if account.errors:
        raise click.exceptions.Exit(1)


def _document(account: Account) -> dict[str, object]:
    healed = set(account.healed)
    return {
        "since": iso(account.since),
        "dry_run": account.dry_run,
        "with_vapi": account.with_vapi,
        **account.counts(),
        "findings": [
            {
                "kind": finding.kind.value,
                "id": str(finding.id) if finding.id else None,
                "call_id": finding.call_id,
                "healed": finding in healed,
            }
            for finding in account.findings
        ],
    }


def _print(account: Account) -> None:
    if not account.with_vapi:
        click.echo("without VAPI_API_KEY: calls at Vapi were not compared")
    looked_at = ", ".join(f"{count} {name}" for name, count in account.checked.items())
    click.echo(f"looked at: {looked_at or 'our own rows'}, since {iso(account.since)}")
    healed = set(account.healed)
    for finding in account.findings[:SHOWN]:
        outcome = "found" if account.dry_run else "healed" if finding in healed else "not healed"
        click.echo(f"  {outcome}: {finding}")
    if len(account.findings) > SHOWN:
        click.echo(f"  … and {len(account.findings) - SHOWN} more")
    found, mended = (Counter(f.kind for f in of) for of in (account.findings, account.healed))
    for kind, count in sorted(found.items()):
        click.echo(f"{kind}: {count} found, {mended[kind]} healed")
    if not found:
        click.echo("nothing is amiss")
    for error in account.errors:
        click.echo(f"could not: {error}", err=True)
