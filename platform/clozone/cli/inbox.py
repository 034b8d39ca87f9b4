"""`clozone inbox`: what webhooks were delivered, what became of them, and processing them again."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from clozone.cli.accounts import platform
from clozone.cli.inbox_options import as_json_option, selecting
from clozone.infra.cache import init_cache
from clozone.infra.postgres import Scope, unit_of_work
from clozone.infra.progress import init_progress
from clozone.jobs.delivery import init_delivery
from clozone.kit.clock import iso
from clozone.kit.errors import NotFound
from clozone.models.operations import Job, WebhookEvent
from clozone.webhooks.replay import Forecast, Outcome, plan, replay
from clozone.webhooks.selection import Listed, Selection, latest, page, reasons


@click.group()
def inbox() -> None:
    """Webhooks as they came: list, show, process again."""


@inbox.command("list")
@selecting(limited_to="The latest ones, this many.", default_limit=50)
def list_events(selection: Selection, *, as_json: bool) -> None:
    """List deliveries, the latest last. With `--state dead`, grouped by reason."""
    dead_only = selection.states == ("dead",)
    with platform(), unit_of_work(Scope.platform()):
        events = latest(selection, selection.limit or 1)
        groups = reasons(selection) if dead_only else []
    if as_json:
        _print({"events": events, "reasons": groups} if dead_only else {"events": events})
        return
    for group in groups:
        span = f"{iso(group.first_received_at)} … {iso(group.last_received_at)}"
        click.echo(f"{group.count} × {group.reason or 'no reason'}  ({span})")
        for event in events:
            if (event.reason or "") == group.reason:
                click.echo(f"    {_line(event)}")
    if not dead_only:
        for event in events:
            click.echo(f"{_line(event)}  {event.reason or ''}".rstrip())
    more = " (the latest; there may be more: see --limit)" if len(events) == selection.limit else ""
    click.echo(f"{len(events)} deliveries{more}")


@inbox.command()
@click.argument("event_id", type=click.UUID)
@click.option("--body", is_flag=True, help="Print the body too: it holds what was said.")
@as_json_option
def show(event_id: UUID, body: bool, as_json: bool) -> None:
    """Show one delivery and the jobs that processed it."""
    with platform(), unit_of_work(Scope.platform()):
        event = WebhookEvent.get_or_none(WebhookEvent.id == event_id)
        if event is None:
            raise NotFound(f"There is no delivery {event_id} in the inbox.")
        jobs = list(Job.select().where(Job.subject_id == event_id).order_by(Job.created_at))
    facts = {
        name: value for name, value in event.__data__.items() if name not in ("body", "dedupe_key")
    }
    facts["body_bytes"] = len(event.body)
    facts["jobs"] = [
        {"id": job.id, "state": job.state, "created_at": job.created_at, "error": job.last_error}
        for job in jobs
    ]
    if body:
        facts["body"] = bytes(event.body).decode("utf-8", "replace")
    if as_json:
        _print(facts)
        return
    for name, value in facts.items():
        if value not in (None, []):
            click.echo(f"{name:18} {_plain(value) if not isinstance(value, list) else ''}".rstrip())
            for job in value if isinstance(value, list) else []:
                click.echo(f"    {' '.join(_plain(part) for part in job.values() if part)}")


@inbox.command("replay")
@selecting(limited_to="The oldest ones, this many.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen to each.")
def replay_events(selection: Selection, *, as_json: bool, dry_run: bool) -> None:
    """Process deliveries again. What has done its work already changes nothing.

    With `--dry-run` the exit code is 1 when one of them would die, or could not be tried.
    """
    if selection.is_everything:
        raise click.UsageError("Say which deliveries: at least one of the filters is needed.")
    with _processing():
        _require_all(selection)
        if dry_run:
            _tell_plan(plan(selection), as_json)
            return
        done = replay(selection, None)
    if as_json:
        _print({"again": done.again, "left": {str(key): why for key, why in done.left.items()}})
        return
    for why, count in Counter(done.left.values()).most_common():
        click.echo(f"{count} left as they are: {why}")
    click.echo(f"{len(done.again)} are being processed again")


@contextmanager
def _processing() -> Iterator[None]:
    with platform() as settings:
        init_delivery(settings)
        init_cache(settings)
        init_progress(settings)
        yield


def _require_all(selection: Selection) -> None:
    if not selection.ids:
        return
    with unit_of_work(Scope.platform()):
        found = {event.id for event in page(Selection(ids=selection.ids), len(selection.ids))}
    if missing := [str(event_id) for event_id in selection.ids if event_id not in found]:
        raise NotFound(f"There is no delivery {', '.join(missing)} in the inbox.")


def _tell_plan(forecasts: list[Forecast], as_json: bool) -> None:
    if as_json:
        _print(forecasts)
    else:
        for forecast in forecasts:
            click.echo(f"{_line(forecast.event)}  {_says(forecast)}")
        for outcome, count in Counter(f.outcome for f in forecasts).most_common():
            click.echo(f"{count} {_SUMMARY[outcome]}")
        click.echo("nothing was changed: this was a dry run")
    if any(f.outcome in (Outcome.dead, Outcome.unknown) for f in forecasts):
        raise SystemExit(1)


_SUMMARY = {
    Outcome.processed: "would be processed",
    Outcome.unchanged: "would change nothing",
    Outcome.ignored: "would be ignored",
    Outcome.dead: "would die",
    Outcome.unknown: "could not be tried",
}


def _says(forecast: Forecast) -> str:
    match forecast.outcome:
        case Outcome.processed:
            what = "a new session" if forecast.new_session else f"session {forecast.session_id}"
            changed = "" if forecast.new_session else f", changing {', '.join(forecast.changes)}"
            return f"would be processed into {what}{changed}"
        case Outcome.unchanged:
            return f"would change nothing of session {forecast.session_id}"
        case outcome:
            return f"{_SUMMARY[outcome]}: {forecast.reason}"


def _line(event: Listed) -> str:
    return (
        f"{iso(event.received_at)}  {event.id}  {event.message_type:18}  "
        f"{event.call_id or '-':36}  {event.state:9}"
    )


def _plain(value: Any) -> str:
    return iso(value) if isinstance(value, datetime) else str(value)


def _print(value: Any) -> None:
    def plain(item: Any) -> Any:
        return asdict(item) if hasattr(item, "__dataclass_fields__") else _plain(item)

    click.echo(json.dumps(value, default=plain, indent=2, ensure_ascii=False))
