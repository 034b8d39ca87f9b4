"""`clozone demo`: practice calls through the whole platform, and what came of them."""

import subprocess
import sys

import click
import httpx2
import orjson
from rich.console import Console

from clozone.demo.content import demo_calls
from clozone.demo.credentials import Credentials, read_credentials
from clozone.demo.display import (
    LiveProgress,
    analytics_table,
    as_json,
    results_table,
    scorecards_table,
)
from clozone.demo.platform_client import PlatformClient, PlatformError
from clozone.demo.run import DemoRun
from clozone.settings import load_settings

LONGEST_SECONDS = 120.0
# Read by `clozone status`.
MEDIAN_FILE = "median-seconds"
WIDTH_WITHOUT_TERMINAL = 120


@click.command()
@click.option("--calls", "wanted", type=click.IntRange(min=1), help="Only the first N calls.")
@click.option("--json", "machine", is_flag=True, help="Results as JSON on standard output.")
def demo(wanted: int | None, machine: bool) -> None:
    """Feed written practice calls through nginx and show grades, scorecards and analytics.

    Starts the local bundle if it is not up. Exits with 1 when a call did not end as it should.
    """
    credentials = _running_bundle()
    console = _console(stderr=machine)
    folder = load_settings().clozone_home / "demo"
    try:
        with (
            LiveProgress(console) as live,
            DemoRun(credentials, demo_calls()[:wanted], folder, live.show) as run,
        ):
            run.play(LONGEST_SECONDS)
            analytics = run.analytics()
            median = run.median_seconds()
    except (PlatformError, httpx2.TransportError) as error:
        raise click.ClickException(f"The demo stopped: {error}") from error
    if median is not None:
        (folder / MEDIAN_FILE).write_text(f"{median:.3f}\n")
    if machine:
        results = as_json(run.progress, analytics, median)
        click.echo(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    else:
        console.print(results_table(run.progress), scorecards_table(run.progress))
        console.print(analytics_table(analytics))
        _print_closing_words(console, run, median)
    if any(entry.surprises() for entry in run.progress):
        sys.exit(1)


def _running_bundle() -> Credentials:
    home = load_settings().clozone_home
    credentials = read_credentials(home)
    if credentials and _is_ready(credentials):
        return credentials
    click.echo("The platform is not up; starting it.", err=True)
    started = subprocess.run(
        [sys.executable, "-m", "clozone", "up", "--detach"], stdout=sys.stderr, check=False
    )
    credentials = read_credentials(home)
    if started.returncode or not credentials:
        raise click.ClickException("The platform did not start; see `clozone logs`.")
    return credentials


def _is_ready(credentials: Credentials) -> bool:
    with PlatformClient(credentials.base_url) as client:
        return client.is_ready()


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=WIDTH_WITHOUT_TERMINAL)


def _print_closing_words(console: Console, run: DemoRun, median: float | None) -> None:
    for entry in run.progress:
        for surprise in entry.surprises():
            console.print(f"✗ {entry.call.key}: {surprise}", style="red", highlight=False)
    if median is not None:
        console.print(f"Median from webhook to scorecard: {median:.2f} s", highlight=False)
