"""The local bundle from the command line: up, down, reload, status, logs."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from clozone.local.bundle import EVERYTHING, EXTRAS, RELOADABLE, AlreadyRunning, Bundle
from clozone.local.console import Console, StateProgress
from clozone.local.control import await_detached, await_running, start_detached, stop_running
from clozone.local.errors import BundleError, Interrupted
from clozone.local.home import Home
from clozone.local.logs import last_lines
from clozone.local.options import home_from_environment
from clozone.local.reload_request import known_variables, request_reload
from clozone.local.state import BundleState, read_state
from clozone.local.status import read_status

_NOT_RUNNING = 3
_INTERRUPTED = 130


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    try:
        yield
    except BundleError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.option("-d", "--detach", is_flag=True, help="Return when it is ready; it runs on.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Public port; CLOZONE_PORT or 8080.")
@click.option("--replica", is_flag=True, help="Also a standby of PostgreSQL, to read from.")
@click.option("--supervise", is_flag=True, hidden=True, help="Be the supervisor of --detach.")
def up(detach: bool, port: int | None, replica: bool, supervise: bool) -> None:
    """Start the whole platform on this machine, and stop it with Ctrl-C.

    Data is kept in CLOZONE_HOME (default .clozone). Every setting in the environment is passed on;
    without OPENAI_API_KEY and OPENAI_BASE_URL the offline model reads the calls.
    """
    with _errors_as_sentences():
        if supervise:
            _supervise(port, replica)
        elif detach:
            _up_detached(port, replica)
        else:
            _up_in_front(port, replica)


def _bundle(port: int | None, replica: bool) -> Bundle:
    parts = EVERYTHING | EXTRAS if replica else EVERYTHING
    return Bundle(home_from_environment(os.environ), port, parts=parts)


def _up_in_front(port: int | None, replica: bool) -> None:
    console = Console()
    bundle = _bundle(port, replica)
    console.say(f"Starting Clozone in {bundle.home.root}")
    ended = threading.Event()
    with _signals_stop(bundle):
        try:
            bundle.start(console.progress)
        except AlreadyRunning as running:
            _say_running(console, bundle.home, running.state)
            return
        except Interrupted:
            console.say("Stopped.")
            sys.exit(_INTERRUPTED)
        console.ready(
            bundle.url,
            bundle.start_seconds,
            bundle.home.credentials,
            hint="Ctrl-C stops everything.",
        )
        follower = console.follow([(p.name, p.spec.log) for p in bundle.processes], ended)
        bundle.wait()
        console.say("\nStopping (Ctrl-C again: at once)")
        bundle.stop(console.progress)
        ended.set()
        follower.join()


def _up_detached(port: int | None, replica: bool) -> None:
    console = Console()
    home = Home.at(home_from_environment(os.environ))
    home.prepare()
    if home.is_locked():
        _say_running(console, home, await_running(home, StateProgress(console)))
        return
    console.say(f"Starting Clozone in {home.root}")
    state = await_detached(
        home, start_detached(home, port, replica=replica), StateProgress(console)
    )
    console.ready(
        state.url,
        state.start_seconds,
        home.credentials,
        hint="clozone status · clozone logs -f · clozone down",
    )


def _supervise(port: int | None, replica: bool) -> None:
    bundle = _bundle(port, replica)
    with _signals_stop(bundle):
        try:
            bundle.start()
        except Interrupted:
            return
        bundle.wait()
        bundle.stop()


def _say_running(console: Console, home: Home, state: BundleState | None) -> None:
    state = state or read_state(home.state)
    where = f" at {state.url}" if state else ""
    console.say(f"Clozone is already running{where} (home {home.root}).")


@contextmanager
def _signals_stop(bundle: Bundle) -> Iterator[None]:
    """The first signal stops the bundle in order, the second at once."""
    seen = 0

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal seen
        seen += 1
        bundle.request_stop()
        if seen > 1:
            bundle.stop_at_once()

    before = {each: signal.signal(each, stop) for each in _STOP_SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
def down() -> None:
    """Stop the platform, and clear up after one that was killed."""
    console = Console()
    home = Home.at(home_from_environment(os.environ))
    with _errors_as_sentences():
        if stop_running(home):
            console.say("Clozone is stopped.")
        else:
            console.say(f"Clozone is not running in {home.root}.")


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(RELOADABLE),
    help="Replace only these; may be given more than once.",
)
def reload(only: tuple[str, ...]) -> None:
    """Replace web instances, worker, scheduler and nginx's configuration, one by one, under load.

    The new ones run the code that is installed now. Variables of .env.example that are set in this
    shell replace those the platform was started with, empty ones take them away, all others stay.
    No request fails meanwhile. What does not become ready is not put in: the old one goes on, and
    the exit code is 1.
    """
    console = Console()
    home = Home.at(home_from_environment(os.environ))
    changes = known_variables(os.environ)
    began = time.monotonic()
    with _errors_as_sentences():
        try:
            request_reload(home, only, changes, console.progress)
        except KeyboardInterrupt:
            console.say("The reload goes on without this command; see clozone status.")
            sys.exit(_INTERRUPTED)
    console.say(f"Reloaded in {time.monotonic() - began:.1f} s.")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(as_json: bool) -> None:
    """Show every process: state, port, uptime, restarts, memory. Exit code 3: not running."""
    home = Home.at(home_from_environment(os.environ))
    found = read_status(home)
    if as_json:
        click.echo(json.dumps(found.to_json() if found else {"phase": "stopped"}, indent=2))
    elif found is None:
        click.echo(f"Clozone has not been started in {home.root}.")
    else:
        Console().status(found)
    if found is None or found.phase != "ready":
        sys.exit(_NOT_RUNNING)


@click.command()
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", default=20, show_default=True, type=click.IntRange(0))
def logs(name: str | None, follow: bool, lines: int) -> None:
    """Show the last log lines of every process, or of process NAME."""
    console = Console()
    home = Home.at(home_from_environment(os.environ))
    files = [(file.stem, file) for file in sorted(home.logs.glob("*.log"))]
    if name is not None:
        known = ", ".join(each for each, _ in files) or "none yet"
        files = [(each, file) for each, file in files if each == name]
        if not files:
            raise click.ClickException(f"There is no log of {name}; there are: {known}.")
    console.renderer.make_room_for(each for each, _ in files)
    for each, file in files:
        for line in last_lines(file, lines):
            console.say(console.renderer.line(each, line))
    if follow:
        stop = threading.Event()
        try:
            console.follow(files, stop).join()
        except KeyboardInterrupt:
            stop.set()
