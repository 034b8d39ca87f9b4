"""Fetching a session's recording."""

from uuid import UUID

from quart import Blueprint

from clozone.recordings import service
from clozone.recordings.schemas import RecordingAnswer
from clozone.web.identity import Actor, Role
from clozone.web.offload import offload
from clozone.web.operation import operation

blueprint = Blueprint("recordings", __name__, url_prefix="/api")


@blueprint.get("/sessions/<uuid:session_id>/recording")
@operation(allow=Role.rep, returns={200: RecordingAnswer}, errors=(service.NoRecording,))
async def read_recording(actor: Actor, session_id: UUID) -> RecordingAnswer:
    """A link that downloads the recording of a session without a sign-in.

    Reps may ask for their own sessions, managers for any. Without a recording the code of the
    answer is `no_recording`, and its `state` tells whether one is on its way (`waiting`), could not
    be had (`failed`) or never was (`none`).
    """
    return await offload(service.read_recording, actor, session_id)
