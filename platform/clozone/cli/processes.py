"""Verbs that are one process of the platform, and the verbs that prepare it."""

import shlex

import click

from clozone.settings import Settings, load_settings

_ENV_EXAMPLE_HEADER = (
    "# Every variable Clozone reads. Written by `clozone env-example`.",
    "#",
    "# Clozone reads its environment and no file. To set what is here, copy this file to .env, take",
    "# the # off the lines you change, and load it into the shell that starts Clozone:",
    "#     set -a; . ./.env; set +a",
)


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="host:port or unix:path")
def web(bind: str) -> None:
    """Serve the HTTP API until SIGTERM or SIGINT."""
    from clozone.app import serve

    serve(load_settings(), bind)


@click.command()
def worker() -> None:
    """Run jobs until SIGTERM or SIGINT; what runs then is finished or handed back."""
    from clozone.worker import run_worker

    run_worker(load_settings())


@click.command()
def scheduler() -> None:
    """Do the recurring duties; of several schedulers one works, the others stand by."""
    from clozone.scheduler import run_scheduler

    run_scheduler(load_settings())


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date. Safe to run at any time, also twice at once."""
    from clozone.infra.postgres import close_database, init_database_as_owner
    from clozone.models import schema

    settings = load_settings()
    init_database_as_owner(settings)
    applied = schema.migrate(settings)
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
