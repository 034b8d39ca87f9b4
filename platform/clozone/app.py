"""Composition root of the web process: everything meets here and nowhere else."""

import asyncio
from importlib.metadata import PackageNotFoundError, version

import uvloop
from quart import Blueprint, Quart

from clozone.accounts.authentication import EXTENSION as AUTHENTICATION
from clozone.accounts.authentication import Authentication
from clozone.accounts.authentication import authenticate as authenticate_caller
from clozone.accounts.routes.api_keys import blueprint as api_keys
from clozone.accounts.routes.auth import blueprint as auth
from clozone.accounts.routes.users import blueprint as users
from clozone.analytics.lane import install_lane
from clozone.analytics.routes import blueprint as analytics
from clozone.exports.routes import blueprint as exports
from clozone.grading.routes import blueprint as grading
from clozone.health.routes import blueprint as health
from clozone.health.service import Health
from clozone.infra.cache import AnalyticsCache, init_cache
from clozone.infra.logging import configure_logging
from clozone.infra.object_storage import init_object_storage
from clozone.infra.postgres import close_database, init_database, init_replica
from clozone.infra.progress import ProgressFeed, init_progress
from clozone.infra.reads import Reads
from clozone.jobs.delivery import init_delivery
from clozone.notifications.routes.deliveries import blueprint as notification_deliveries
from clozone.notifications.routes.endpoints import OUTBOUND
from clozone.notifications.routes.endpoints import blueprint as notification_endpoints
from clozone.notifications.sender import notifying
from clozone.process import announce_ready
from clozone.recordings.routes import blueprint as recordings
from clozone.sessions.routes import blueprint as sessions
from clozone.settings import Settings, load_settings
from clozone.training.routes.assignments import blueprint as assignments
from clozone.training.routes.templates import blueprint as templates
from clozone.web.docs import docs_blueprint
from clozone.web.identity import Authenticate
from clozone.web.install import install_web
from clozone.web.replica_reads import EXTENSION as REPLICA
from clozone.web.replica_reads import replica_reads
from clozone.web.serving import Takeover, serve_until_signalled
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
    recordings,
    notification_deliveries,
    notification_endpoints,
    sessions,
    templates,
    users,
    webhooks,
)


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
    install_lane(app, settings)
    app.register_blueprint(
        docs_blueprint(
            app,
            title="Clozone API",
            version=_version(),
            description="AI sales-call training: practice calls, grades, analytics.",
        )
    )
    return app


def serve(settings: Settings, bind: str, ready_fd: int | None = None) -> None:
    """Serve until SIGTERM or SIGINT. `bind`: `host:port` or `unix:path`.

    Then, in this order: readiness fails, no connection is accepted, running requests end within
    the grace period, backing services are closed. With `ready_fd` it begins to listen only once it
    is ready, beside a process that has the address now, and then writes a line to that descriptor.
    """
    configure_logging(settings, "web")
    app = create_app(settings)

    async def missing() -> list[str]:
        health: Health = app.extensions["health"]
        return await health.missing()

    takeover = None if ready_fd is None else Takeover(missing, lambda: announce_ready(ready_fd))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_signalled(app, settings, bind, takeover))


def _install_backing_services(app: Quart, settings: Settings) -> None:
    async def open_services() -> None:
        app.extensions[AUTHENTICATION] = Authentication(settings)
        init_database(settings)
        init_replica(settings)
        replica = replica_reads(settings)
        app.extensions[REPLICA] = replica
        watch = None if replica is None else replica.watch
        init_delivery(settings)
        init_cache(settings)
        init_progress(settings)
        init_object_storage(settings)
        app.extensions[OUTBOUND] = notifying(settings)
        app.extensions["reads"] = Reads(settings, watch)
        app.extensions["analytics_cache"] = AnalyticsCache(settings)
        app.extensions["progress"] = progress = ProgressFeed(settings)
        progress.start()
        app.extensions["health"] = Health(settings, _version(), watch)

    async def close_services() -> None:
        await asyncio.to_thread(app.extensions[AUTHENTICATION].close)
        await app.extensions["health"].close()
        await app.extensions["progress"].close()
        await app.extensions["analytics_cache"].close()
        await app.extensions["reads"].close()
        if app.extensions[REPLICA] is not None:
            await app.extensions[REPLICA].close()
        close_database()

    app.before_serving(open_services)
    app.after_serving(close_services)


def _version() -> str:
    try:
        return version("clozone")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "0+source"
