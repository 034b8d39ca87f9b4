"""/api/webhooks."""

from typing import Any

from quart import Blueprint, current_app, request

from clozone.kit.clock import now
from clozone.kit.errors import BadRequest, Invalid
from clozone.web.offload import on_database_thread
from clozone.web.operation import operation
from clozone.webhooks import inbox
from clozone.webhooks.schemas import Receipt
from clozone.webhooks.signature import WebhookRefused, verify, without_proof

blueprint = Blueprint("webhooks", __name__, url_prefix="/api/webhooks")


@blueprint.post("/vapi")
@operation(
    allow=None,
    returns={200: Receipt},
    errors=(WebhookRefused, BadRequest, Invalid),
    limit=None,
    max_body="webhook",
)
async def receive_vapi() -> Any:
    """Take a server message of Vapi.

    Answers once the message is stored for good; what it means is worked out afterwards. The same
    message delivered again is counted, not stored twice. How the sender proves itself is set by
    VAPI_WEBHOOK_AUTH. Fields and types that we do not know are welcome.
    """
    body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    headers = dict(request.headers)
    settings = current_app.extensions["settings"]
    verify(settings, headers, body, now())
    # On a thread: reading megabytes of JSON would hold up every other request of this process.
    return await on_database_thread(inbox.accept, body, without_proof(settings, headers))
