"""/api/analytics."""

from http import HTTPStatus
from typing import cast

from quart import Blueprint, Response, current_app, request

from clozone.analytics import service
from clozone.analytics.reply import reply
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
from clozone.web.identity import Actor, Role
from clozone.web.operation import operation

blueprint = Blueprint("analytics", __name__, url_prefix="/api/analytics")


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
    status, fields, body = reply(
        answer, request.headers.get("Accept-Encoding"), request.headers.get("If-None-Match")
    )
    response = Response(body, status, headers=fields)
    if status == HTTPStatus.NOT_MODIFIED:
        # Quart describes the empty body, where these fields would describe the one not sent.
        del response.headers["Content-Type"], response.headers["Content-Length"]
    return response


def _reads() -> Reads:
    return cast(Reads, current_app.extensions["reads"])
