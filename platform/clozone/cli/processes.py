"""Verbs that are one process of the platform, and the verbs that prepare it."""

import errno
import shlex
import sys

import click

from clozone.settings import Settings, load_settings

_ENV_EXAMPLE_HEADER = (
    "# Every variable Clozone reads. Written by `clozone env-example`.",
    "#",
    "# Clozone reads its environment and no file. To set what is here, copy this file to .env, take",
    "# the # off the lines you change, and load it into the shell that starts Clozone:",
    "#     set -a; . ./.env; set +a",
)


_ready_fd = click.option(
    "--ready-fd",
    type=click.IntRange(3),
    help="Write a line to this open descriptor once ready. A web process with it listens only then, "
    "and beside the process that has the address.",
)


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="host:port or unix:path")
@_ready_fd
def web(bind: str, ready_fd: int | None) -> None:
    """Serve the HTTP API until SIGTERM or SIGINT."""
    from clozone.app import serve

    try:
        serve(load_settings(), bind, ready_fd)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise
        raise click.ClickException(
            f"{bind} cannot be listened on: {error.strerror}. Give another address by --bind."
        ) from error


@click.command()
@_ready_fd
def worker(ready_fd: int | None) -> None:
    """Run jobs until SIGTERM or SIGINT; what runs then is finished or handed back.

    The exit code is 75 when it ends because a job hangs: start it anew.
    """
    from clozone.worker import run_worker

    sys.exit(run_worker(load_settings(), ready_fd))


@click.command()
@_ready_fd
def scheduler(ready_fd: int | None) -> None:
    """Do the recurring duties; of several schedulers one works, the others stand by."""
    from clozone.scheduler import run_scheduler

    run_scheduler(load_settings(), ready_fd)


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date. Safe to run at any time, also twice at once."""
    from clozone.infra.postgres import (
        OperationalError,
        close_database,
        init_database_as_owner,
        waited_in_vain,
    )
    from clozone.models import schema

    settings = load_settings()
    init_database_as_owner(settings)
    try:
        applied = schema.migrate(settings)
    except OperationalError as error:
        if not waited_in_vain(error):
            raise
        raise click.ClickException(
            "a table is in use by a transaction that has not ended. What was applied before stays."
            " Run `clozone migrate` again when the other transaction has ended."
        ) from error
    finally:
        close_database()
    click.echo(f"applied {', '.join(applied)}" if applied else "nothing to apply")


@click.command("env-example")
def env_example() -> None:
    """Print .env.example: every variable, what it is for and its default."""
    click.echo(render_env_example(), nl=False)


def render_env_example() -> str:
    """The text of .env.example, from the settings themselves; a shell can source it."""
    from clozone.local.options import VARIABLES

    lines = [*_ENV_EXAMPLE_HEADER, ""]
    for name, field in Settings.model_fields.items():
        default = field.default
        if hasattr(default, "get_secret_value"):
            default = default.get_secret_value()
        if isinstance(default, list):
            default = ",".join(default)
        shown = "" if default is None else shlex.quote(str(default)) if default != "" else ""
        lines += [f"# {field.description}", f"#{name.upper()}={shown}", ""]
    lines += ["# Only for the local bundle (`clozone up`):", ""]
    for variable in VARIABLES:
        lines += [f"# {variable.description}", f"#{variable.name}={variable.default}", ""]
    return "\n".join(lines)
