"""The analytics on the fast lane: for people signed in with our own tokens, asking plainly.

Everything is what the routes do, in their order: who asks, how often, whose figures, from the cache
or computed. What is refused, and whoever asks otherwise, is declined; the routes have the words.
"""

from collections.abc import Callable
from typing import cast

from quart import Quart

from clozone.accounts.authentication import EXTENSION as AUTHENTICATION
from clozone.accounts.authentication import Authentication
from clozone.analytics import service
from clozone.analytics.periods import Period
from clozone.analytics.reply import reply
from clozone.analytics.schemas import DEFAULT_LIMIT, MAX_LIMIT
from clozone.analytics.service import Question
from clozone.infra.cache import AnalyticsCache
from clozone.infra.rate_limit import RateLimiter
from clozone.infra.reads import Reads
from clozone.kit.errors import DomainError
from clozone.sessions.service import only_user
from clozone.settings import Settings
from clozone.web.fast_lane import FastLane, LaneAnswer
from clozone.web.identity import Actor, Role
from clozone.web.request_head import RequestHead

_BEARER = b"Bearer "
_PERIODS = {period.value.encode(): period for period in Period}
_LIMITS = {str(limit).encode(): limit for limit in range(1, MAX_LIMIT + 1)}

Asking = Callable[[Reads, Actor, Period, int], Question]


def install_lane(app: Quart, settings: Settings) -> None:
    """Put the three reads of the analytics on the fast lane of `app`."""
    lane = cast(FastLane, app.extensions["fast_lane"])
    analytics = _AnalyticsLane(app, settings)
    lane.add("/api/analytics", analytics.report)
    lane.add("/api/analytics/users", analytics.users)
    lane.add("/api/analytics/templates", analytics.templates)


class _AnalyticsLane:
    def __init__(self, app: Quart, settings: Settings) -> None:
        self._app = app
        # A cache in between must not give to one origin what was answered to another.
        self._vary = {"Vary": "Accept-Encoding, Origin"} if settings.cors_origins else {}

    async def report(self, head: RequestHead) -> LaneAnswer | None:
        """What `GET /api/analytics` answers."""
        return await self._answer(
            head,
            {b"period"},
            Role.rep,
            lambda reads, actor, period, _: service.report(
                reads, actor.org_id, only_user(actor), period
            ),
        )

    async def users(self, head: RequestHead) -> LaneAnswer | None:
        """What `GET /api/analytics/users` answers."""
        return await self._answer(
            head,
            {b"period", b"limit"},
            Role.manager,
            lambda reads, actor, period, limit: service.users(reads, actor.org_id, period, limit),
        )

    async def templates(self, head: RequestHead) -> LaneAnswer | None:
        """What `GET /api/analytics/templates` answers."""
        return await self._answer(
            head,
            {b"period", b"limit"},
            Role.rep,
            lambda reads, actor, period, limit: service.templates(
                reads, actor.org_id, only_user(actor), period, limit
            ),
        )

    async def _answer(
        self, head: RequestHead, known: set[bytes], least: Role, asking: Asking
    ) -> LaneAnswer | None:
        actor = self._actor(head)
        asked = _parameters(head.query, known)
        if actor is None or asked is None or not actor.role.at_least(least):
            return None
        extensions = self._app.extensions
        limiter = cast(RateLimiter, extensions["rate_limiter"])
        cache = cast(AnalyticsCache, extensions["analytics_cache"])
        question = asking(cast(Reads, extensions["reads"]), actor, *asked)
        # Both questions to Redis leave in one write; neither depends on the other's answer.
        counting = limiter.begin_hit("user", actor.client_key)
        try:
            answer = await cache.find(question.org_id, question.name)
        finally:
            decision = await counting
        if not decision.allowed:
            # A refused hit is not counted, so the route may ask again, and explain.
            return None
        if answer is None:
            answer = await cache.get(question.org_id, question.name, question.compute)
        status, fields, body = reply(
            answer, head.headers.get(b"accept-encoding"), head.headers.get(b"if-none-match")
        )
        fields |= decision.headers()
        return LaneAnswer(status, fields | self._vary, body, str(actor.org_id))

    def _actor(self, head: RequestHead) -> Actor | None:
        """Whom one of our own access tokens speaks for."""
        credential = head.headers.get(b"authorization", b"")
        if not credential.startswith(_BEARER):
            return None
        authentication = cast(Authentication, self._app.extensions[AUTHENTICATION])
        try:
            return authentication.access_tokens.read(credential[len(_BEARER) :].decode("latin-1"))
        except DomainError:
            return None


def _parameters(query: bytes, known: set[bytes]) -> tuple[Period, int] | None:
    """Period and limit of a query that is plain and right; None for any other."""
    found = {}
    for part in query.split(b"&") if query else ():
        name, _, value = part.partition(b"=")
        if name not in known or name in found:
            return None
        found[name] = value
    period = _PERIODS.get(found.get(b"period", Period.month.value.encode()))
    limit = _LIMITS.get(found.get(b"limit", str(DEFAULT_LIMIT).encode()))
    return None if period is None or limit is None else (period, limit)
