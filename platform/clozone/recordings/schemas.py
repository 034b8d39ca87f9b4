"""The JSON of the recordings API."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from clozone.web.schema import ResponseModel


class RecordingAnswer(ResponseModel):
    """The recording of a call, and where to fetch it."""

    session_id: UUID
    content_type: str
    size_bytes: int | None
    url: str = Field(description="Downloads the file without a sign-in, until `url_expires_at`.")
    url_expires_at: datetime
