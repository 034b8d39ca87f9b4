"""/api/analytics."""

from typing import cast

from quart import Blueprint, Response, current_app, request

from clozone.analytics import service
from clozone.analytics.schemas import (
    AnalyticsQuery,
    AnalyticsReport,
    RankingQuery,
    TemplateRanking,
    UserRanking,
)
from clozone.analytics.service import Question
from clozone.infra.cache import AnalyticsCache
from clozone.infra.reads import Reads
from clozone.sessions.service import only_user
from clozone.web.encoding import json_response
from clozone.web.identity import Actor, Role
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
    return await _answer(service.report(_reads(), actor.org_id, only_user(actor), query.period))


@blueprint.get("/users")
@operation(allow=Role.manager, query=RankingQuery, returns={200: UserRanking, 304: None})
async def rank_users(actor: Actor, query: RankingQuery) -> Response:
    """The reps with the best average scores. For managers."""
    return await _answer(service.users(_reads(), actor.org_id, query.period, query.limit))


@blueprint.get("/templates")
@operation(allow=Role.rep, query=RankingQuery, returns={200: TemplateRanking, 304: None})
async def rank_templates(actor: Actor, query: RankingQuery) -> Response:
    """The templates with the best average scores.

    Managers see the organisation, reps their own sessions.
    """
    whose = only_user(actor)
    return await _answer(
        service.templates(_reads(), actor.org_id, whose, query.period, query.limit)
    )


async def _answer(question: Question) -> Response:
    """What is computed, or was a moment ago; 304 when the client has it already."""
    cache = cast(AnalyticsCache, current_app.extensions["analytics_cache"])
    answer = await cache.get(question.org_id, question.name, question.compute)
    accepted = request.headers.get("Accept-Encoding")
    control = {"Cache-Control": CACHE_CONTROL}
    if known := answer.unchanged_for(request.headers.get("If-None-Match"), accepted):
        return Response(b"", 304, headers=known.headers() | control)
    sent = answer.representation(accepted)
    return json_response(sent.body, headers=sent.headers() | control)


def _reads() -> Reads:
    return cast(Reads, current_app.extensions["reads"])
