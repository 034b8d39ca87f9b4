"""Put the plumbing around a Quart application."""

import asyncio
from typing import cast

from quart import Quart, Response, request

from clozone.infra.rate_limit import RateLimiter
from clozone.settings import Settings
from clozone.web.admission import Admission
from clozone.web.body import LimitedRequest
from clozone.web.cors import install_cors
from clozone.web.draining import Draining
from clozone.web.edge import Edge, request_facts
from clozone.web.fast_lane import FastLane
from clozone.web.identity import Authenticate
from clozone.web.offload import close_threads, open_threads
from clozone.web.operation import operation_of
from clozone.web.problems import install_problems
from clozone.web.rate_limit import add_headers


def install_web(app: Quart, settings: Settings, authenticate: Authenticate) -> None:
    """Request ids, errors, limits, CORS, and the threads that routes `offload` to."""
    app.extensions["authenticate"] = authenticate
    app.extensions["draining"] = draining = Draining()
    admission = Admission(settings)
    app.extensions["fast_lane"] = FastLane(settings.clozone_instance, admission, draining)
    app.config["TRUSTED_PROXIES"] = settings.trusted_proxies
    app.url_map.merge_slashes = False  # a redirect would repeat the Host header it was sent

    async def note_route() -> None:
        if request.url_rule is not None:
            request_facts().route = request.url_rule.rule

    async def finish(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return add_headers(response)

    app.before_request(note_route)
    app.after_request(finish)
    install_problems(app)
    install_cors(app, settings.cors_origins)
    _install_body_limits(app, settings)
    _install_resources(app, settings)
    app.asgi_app = Edge(  # type: ignore[method-assign]
        app.asgi_app, settings.clozone_instance, draining, admission
    )


def _install_body_limits(app: Quart, settings: Settings) -> None:
    limits = {"api": settings.max_body_bytes, "webhook": settings.max_webhook_bytes}
    app.request_class = LimitedRequest
    app.config["MAX_CONTENT_LENGTH"] = max(limits.values())

    async def limit_body() -> None:
        spec = operation_of(app.view_functions.get(request.endpoint or ""))
        cast(LimitedRequest, request).limit_body(limits[spec.max_body if spec else "api"])

    app.before_request(limit_body)


def _install_resources(app: Quart, settings: Settings) -> None:
    async def open_resources() -> None:
        open_threads(settings)
        app.extensions["rate_limiter"] = RateLimiter(settings)

    async def close_resources() -> None:
        await asyncio.to_thread(close_threads)
        await app.extensions["rate_limiter"].close()

    app.before_serving(open_resources)
    app.after_serving(close_resources)
