"""The JSON of the exports API."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from clozone.web.schema import ResponseModel


class ExportAnswer(ResponseModel):
    """A file made from a session, and where to fetch it."""

    id: UUID
    session_id: UUID
    kind: Literal["scorecard_pdf"]
    state: Literal["queued", "ready", "failed"]
    size_bytes: int | None = Field(None, description="Known once the file is ready.")
    created_at: datetime
    ready_at: datetime | None = None
    url: str | None = Field(
        None, description="Downloads the file without a sign-in, until `url_expires_at`."
    )
    url_expires_at: datetime | None = None
    error: str | None = Field(None, description="Why there is no file, when the state is failed.")
