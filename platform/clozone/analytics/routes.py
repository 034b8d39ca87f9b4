"""/api/analytics."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel
from quart import Blueprint, Response, current_app, request

from clozone.analytics import service
from clozone.analytics.periods import Span
from clozone.analytics.schemas import (
    AnalyticsQuery,
    AnalyticsReport,
    RankingQuery,
    TemplateRanking,
    UserRanking,
)
from clozone.infra.cache import AnalyticsCache
from clozone.sessions.service import only_user
from clozone.web.encoding import dumps, json_response
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload
from clozone.web.operation import operation

blueprint = Blueprint("analytics", __name__, url_prefix="/api/analytics")

# For the browser alone, which may keep it and has to ask whether it still holds.
CACHE_CONTROL = "private, no-cache"


@blueprint.get("")
@operation(allow=Role.rep, query=AnalyticsQuery, returns={200: AnalyticsReport, 304: None})
async def read_analytics(actor: Actor, query: AnalyticsQuery) -> Response:
    """Figures of a period, of the one before it, and day by day.

    Managers see the organisation, reps their own sessions.
    """
    span, whose = Span.of(query.period), only_user(actor)
    return await _answer(
        actor,
        f"report:{span.first}:{span.last}:{_name(whose)}",
        service.report,
        query.period,
        span,
        whose,
    )


@blueprint.get("/users")
@operation(allow=Role.manager, query=RankingQuery, returns={200: UserRanking, 304: None})
async def rank_users(actor: Actor, query: RankingQuery) -> Response:
    """The reps with the best average scores. For managers."""
    span = Span.of(query.period)
    return await _answer(
        actor,
        f"users:{span.first}:{span.last}:{query.limit}",
        service.rank_users,
        query.period,
        span,
        query.limit,
    )


@blueprint.get("/templates")
@operation(allow=Role.rep, query=RankingQuery, returns={200: TemplateRanking, 304: None})
async def rank_templates(actor: Actor, query: RankingQuery) -> Response:
    """The templates with the best average scores.

    Managers see the organisation, reps their own sessions.
    """
    span, whose = Span.of(query.period), only_user(actor)
    return await _answer(
        actor,
        f"templates:{span.first}:{span.last}:{query.limit}:{_name(whose)}",
        service.rank_templates,
        query.period,
        span,
        query.limit,
        whose,
    )


async def _answer(
    actor: Actor, name: str, compute: Callable[..., BaseModel], *arguments: Any
) -> Response:
    """What `compute` gives, or gave a moment ago; 304 when the client has it already."""

    async def body(after: int) -> bytes:
        return dumps(await offload(compute, *arguments))

    cache = cast(AnalyticsCache, current_app.extensions["analytics_cache"])
    answer = await cache.get(actor.org_id, name, body)
    accepted = request.headers.get("Accept-Encoding")
    control = {"Cache-Control": CACHE_CONTROL}
    if known := answer.unchanged_for(request.headers.get("If-None-Match"), accepted):
        return Response(b"", 304, headers=known.headers() | control)
    sent = answer.representation(accepted)
    return json_response(sent.body, headers=sent.headers() | control)


def _name(whose: UUID | None) -> str:
    return "all" if whose is None else str(whose)
