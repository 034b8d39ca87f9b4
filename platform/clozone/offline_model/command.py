"""`clozone offline-model`: serve until told to stop."""

import asyncio
import signal

import click
from hypercorn.asyncio import serve
from hypercorn.config import Config

from clozone.offline_model.app import create_app
from clozone.offline_model.settings import MODEL, OfflineModelSettings

GRACE_SECONDS = 3.0


@click.command("offline-model")
@click.option("--bind", default="127.0.0.1:8090", show_default=True, help="Address and port.")
@click.option("--api-key", default=None, help="Accept this bearer key only. Default: any.")
@click.option(
    "--alias", "aliases", multiple=True, help=f"Also answer to this model name (as {MODEL})."
)
def offline_model_command(bind: str, api_key: str | None, aliases: tuple[str, ...]) -> None:
    """Serve the OpenAI-compatible offline model.

    It answers by fixed rules, without a key's bill or a network; see docs/offline-model.md.
    """
    asyncio.run(_serve(bind, OfflineModelSettings(api_key=api_key, aliases=aliases)))


async def _serve(bind: str, settings: OfflineModelSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    config = Config()
    config.bind = [bind]
    config.graceful_timeout = GRACE_SECONDS
    config.accesslog = None
    await serve(create_app(settings), config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    offline_model_command()
