"""The `clozone` command: one verb a subject, each imported only when it is asked for."""

import importlib

import click

# Verb → where its command is. Lazy, so that `clozone web` does not load what only `up` needs.
VERBS = {
    "up": "clozone.cli.bundle:up",
    "down": "clozone.cli.bundle:down",
    "reload": "clozone.cli.bundle:reload",
    "status": "clozone.cli.bundle:status",
    "logs": "clozone.cli.bundle:logs",
    "demo": "clozone.cli.demo:demo",
    "drill": "clozone.cli.drill:drill",
    "web": "clozone.cli.processes:web",
    "worker": "clozone.cli.processes:worker",
    "scheduler": "clozone.cli.processes:scheduler",
    "offline-model": "clozone.offline_model.command:offline_model_command",
    "migrate": "clozone.cli.processes:migrate",
    "bootstrap": "clozone.cli.bootstrap:bootstrap",
    "user": "clozone.cli.accounts:user",
    "token": "clozone.cli.accounts:token",
    "session": "clozone.cli.sessions:session",
    "jobs": "clozone.cli.jobs:jobs",
    "inbox": "clozone.cli.inbox:inbox",
    "analytics": "clozone.cli.analytics:analytics",
    "reconcile": "clozone.cli.reconcile:reconcile",
    "env-example": "clozone.cli.processes:env_example",
}


class _Verbs(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module, attribute = VERBS[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clozone", message="%(version)s")
def main() -> None:
    """Clozone: AI sales-call training on your own machines."""
