"""`clozone drill`: kill everything, lose nothing, and prove it."""

import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import orjson
from rich.console import Console

from clozone.drill.display import Display
from clozone.drill.errors import DrillError
from clozone.drill.fresh import fresh_bundle
from clozone.drill.orders import Orders
from clozone.drill.report import Report, show
from clozone.drill.run import Drill
from clozone.drill.target import find_target
from clozone.local.errors import BundleError

WIDTH_WITHOUT_TERMINAL = 120
LARGEST_SEED = 1_000_000
FOUND_A_LOSS = 1
COULD_NOT_RUN = 2
INTERRUPTED = 130
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option("--calls", type=click.IntRange(3, 100_000), default=1_000, show_default=True)
@click.option("--kills", type=click.IntRange(1, 10_000), default=60, show_default=True)
@click.option("--seed", type=click.IntRange(0), help="Repeat a drill; default: a new one.")
@click.option(
    "--timeout",
    type=click.FloatRange(30),
    default=1_800,
    show_default=True,
    help="Give up after so many seconds.",
)
@click.option(
    "--report",
    "file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write the results as JSON.",
)
@click.option("--keep", is_flag=True, help="Keep the data and logs of the drill's own bundle.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Drill the bundle that runs there instead of one of the drill's own.",
)
def drill(
    *,
    calls: int,
    kills: int,
    seed: int | None,
    timeout: float,
    file: Path | None,
    keep: bool,
    home: Path | None,
) -> None:
    """Send calls while everything is killed, then prove that nothing was lost or done twice.

    Exits with 1 when something was, and with 2 when the drill itself could not run, or could not do
    all that it was to do.
    """
    console = _console()
    if seed is None:
        seed = secrets.randbelow(LARGEST_SEED)
    orders = Orders(calls, kills, seed, timeout)
    if file is not None:
        _require_writable(file)
    try:
        with ended_in_order(), _bundle(home, console, keep=keep) as folder:
            report = _run(console, orders, folder, alone=home is None)
    except KeyboardInterrupt:
        console.print(f"The drill was interrupted (seed {seed}).")
        sys.exit(INTERRUPTED)
    except (DrillError, BundleError) as error:
        console.print(f"The drill could not run (seed {seed}): {error}", style="red")
        sys.exit(COULD_NOT_RUN)
    except Exception:
        # Whatever it is, it is no loss: that has an exit code of its own.
        console.print_exception()
        console.print(f"The drill broke down (seed {seed}).", style="red")
        sys.exit(COULD_NOT_RUN)
    show(report, console)
    written = file is None or _write(report, file, console)
    if not report.ok:
        sys.exit(FOUND_A_LOSS)
    if report.shortfalls or not written:
        sys.exit(COULD_NOT_RUN)


def _require_writable(file: Path) -> None:
    """Before minutes of work, not after. Leaves nothing there: a drill that fails has no report."""
    try:
        with tempfile.TemporaryFile(dir=file.parent):
            return
    except OSError as error:
        raise click.BadParameter(
            f"nothing can be written in {file.parent.absolute()}: {error.strerror}.",
            param_hint="--report",
        ) from error


def _write(report: Report, file: Path, console: Console) -> bool:
    try:
        file.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    except OSError as error:
        console.print(f"The report could not be written: {error}", style="red", highlight=False)
        return False
    return True


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that is closed, are as good as Ctrl-C.

    Nobody may stay frozen, and the drill's own bundle goes.
    """
    before = {each: signal.signal(each, signal.default_int_handler) for each in _ENDINGS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _bundle(home: Path | None, console: Console, *, keep: bool) -> Iterator[Path]:
    if home is not None:
        yield home
        return
    console.print("Starting a bundle for the drill")

    def tell(kept: Path) -> None:
        console.print(f"Kept: {kept}", highlight=False)

    with fresh_bundle(os.environ, lambda _news: None, tell if keep else None) as folder:
        yield folder


def _run(console: Console, orders: Orders, folder: Path, *, alone: bool) -> Report:
    console.print(
        f"Drilling {folder}: {orders.calls} calls, {orders.kills} kills, seed {orders.seed}",
        highlight=False,
    )
    one = Drill(find_target(folder), orders, alone=alone)
    with Display(console, one.line):
        return one.run()


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)
