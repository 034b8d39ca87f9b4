"""The analytics as a caller reads them: each body is checked against the schema that describes it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel

from clozone.analytics import service
from clozone.analytics.periods import Span
from clozone.analytics.schemas import AnalyticsReport, TemplateRanking, UserRanking
from clozone.infra.reads import Reads
from clozone.settings import Settings
from clozone.web.encoding import dumps

T = TypeVar("T", bound=BaseModel)


@dataclass
class Analytics:
    """Asks for the figures of an organisation, past routes and cache."""

    settings: Settings
    org_id: UUID

    def report(self, span: Span, only_user: UUID | None = None) -> AnalyticsReport:
        return self._read(
            AnalyticsReport, lambda r: service.report_body(r, self.org_id, only_user, span)
        )

    def users(self, span: Span, limit: int = 10) -> UserRanking:
        return self._read(UserRanking, lambda r: service.users_body(r, self.org_id, span, limit))

    def templates(
        self, span: Span, only_user: UUID | None = None, limit: int = 10
    ) -> TemplateRanking:
        return self._read(
            TemplateRanking,
            lambda r: service.templates_body(r, self.org_id, only_user, span, limit),
        )

    def _read(self, schema: type[T], ask: Callable[[Reads], Awaitable[bytes]]) -> T:
        async def read() -> bytes:
            reads = Reads(self.settings)
            try:
                return await ask(reads)
            finally:
                await reads.close()

        return parsed(schema, asyncio.run(read()))


def parsed(schema: type[T], body: bytes) -> T:
    """The model of an answer, which is byte for byte what the model would be sent as."""
    values = json.loads(body)
    values["first_day"], values["last_day"] = values.pop("from"), values.pop("to")
    model = schema.model_validate(values)
    assert dumps(model) == body
    return model
