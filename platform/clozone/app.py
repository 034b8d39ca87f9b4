"""Composition root of the web process: everything meets here and nowhere else."""

import asyncio
import logging
import signal
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from loguru import logger
from quart import Blueprint, Quart

from clozone.accounts.authentication import EXTENSION as AUTHENTICATION
from clozone.accounts.authentication import Authentication
from clozone.accounts.authentication import authenticate as authenticate_caller
from clozone.accounts.routes.api_keys import blueprint as api_keys
from clozone.accounts.routes.auth import blueprint as auth
from clozone.accounts.routes.users import blueprint as users
from clozone.analytics.routes import blueprint as analytics
from clozone.exports.routes import blueprint as exports
from clozone.grading.routes import blueprint as grading
from clozone.health.routes import blueprint as health
from clozone.health.service import Health
from clozone.infra.cache import AnalyticsCache, init_cache
from clozone.infra.logging import configure_logging
from clozone.infra.object_storage import init_object_storage
from clozone.infra.outbound import outbound
from clozone.infra.postgres import close_database, init_database
from clozone.infra.progress import ProgressFeed, init_progress
from clozone.jobs.delivery import init_delivery
from clozone.notifications.routes.deliveries import blueprint as notification_deliveries
from clozone.notifications.routes.endpoints import OUTBOUND
from clozone.notifications.routes.endpoints import blueprint as notification_endpoints
from clozone.sessions.routes import blueprint as sessions
from clozone.settings import Settings, load_settings
from clozone.training.routes.assignments import blueprint as assignments
from clozone.training.routes.templates import blueprint as templates
from clozone.web.docs import docs_blueprint
from clozone.web.draining import Draining
from clozone.web.identity import Authenticate
from clozone.web.install import install_web
from clozone.webhooks.routes import blueprint as webhooks
from clozone.webhooks.routes import install_intake

# Every slice's routes.
BLUEPRINTS: tuple[Blueprint, ...] = (
    analytics,
    api_keys,
    assignments,
    auth,
    exports,
    grading,
    health,
    notification_deliveries,
    notification_endpoints,
    sessions,
    templates,
    users,
    webhooks,
)

# nginx's upstream keep-alive is 60 s; a server that hangs up first resets a request on its way.
KEEP_ALIVE_SECONDS = 75.0
MAX_HEADER_BYTES = 32 * 1024
BACKLOG = 512
# Between failing readiness and refusing connections, so that balancers see the one before the other.
DRAIN_NOTICE_SECONDS = 1.0
# How much longer than its grace the server may take before it is cut off.
OVERTIME_SECONDS = 2.0


def create_app(
    settings: Settings | None = None, *, authenticate: Authenticate | None = None
) -> Quart:
    """The web application. Making it connects to nothing; serving it does."""
    settings = settings or load_settings()
    app = Quart("clozone", static_folder=None)
    app.extensions["settings"] = settings
    install_intake(app, settings)
    install_web(app, settings, authenticate or authenticate_caller)
    _install_backing_services(app, settings)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.register_blueprint(
        docs_blueprint(
            app,
            title="Clozone API",
            version=_version(),
            description="AI sales-call training: practice calls, grades, analytics.",
        )
    )
    return app


def serve(settings: Settings, bind: str) -> None:
    """Serve until SIGTERM or SIGINT. `bind`: `host:port` or `unix:path`.

    Then, in this order: readiness fails, no connection is accepted, running requests end within
    the grace period, backing services are closed.
    """
    configure_logging(settings, "web")
    asyncio.run(_serve(create_app(settings), settings, bind))


async def _serve(app: Quart, settings: Settings, bind: str) -> None:
    stop, close = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    serving = asyncio.create_task(
        hypercorn_serve(app, _hypercorn_config(settings, bind), shutdown_trigger=close.wait)
    )
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        draining: Draining = app.extensions["draining"]
        draining.start()
        logger.info("stopping: readiness fails, requests run to their end")
        await asyncio.sleep(DRAIN_NOTICE_SECONDS)
        close.set()
        bound = settings.shutdown_grace_seconds + OVERTIME_SECONDS
        _, unfinished = await asyncio.wait({serving}, timeout=bound)
        if unfinished:
            logger.warning("requests were cut off: the grace period is over")
            serving.cancel()
    stopping.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    logger.info("stopped")


def _hypercorn_config(settings: Settings, bind: str) -> Config:
    config = Config()
    config.bind = [bind]
    config.backlog = BACKLOG
    config.graceful_timeout = settings.shutdown_grace_seconds
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.h11_max_incomplete_size = MAX_HEADER_BYTES
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    return config


def _install_backing_services(app: Quart, settings: Settings) -> None:
    async def open_services() -> None:
        app.extensions[AUTHENTICATION] = Authentication(settings)
        init_database(settings)
        init_delivery(settings)
        init_cache(settings)
        init_progress(settings)
        init_object_storage(settings)
        app.extensions[OUTBOUND] = outbound(settings)
        app.extensions["analytics_cache"] = AnalyticsCache(settings)
        app.extensions["progress"] = progress = ProgressFeed(settings)
        progress.start()
        app.extensions["health"] = Health(settings, _version())

    async def close_services() -> None:
        await asyncio.to_thread(app.extensions[AUTHENTICATION].close)
        await app.extensions["health"].close()
        await app.extensions["progress"].close()
        await app.extensions["analytics_cache"].close()
        close_database()

    app.before_serving(open_services)
    app.after_serving(close_services)


def _version() -> str:
    try:
        return version("clozone")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "0+source"
