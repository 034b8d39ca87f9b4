"""/api/webhooks."""

from typing import Any, cast

from quart import Blueprint, Quart, current_app, request

from clozone.infra.spool import init_spool
from clozone.kit.clock import now
from clozone.kit.errors import BadRequest, Invalid
from clozone.settings import Settings
from clozone.web.operation import operation
from clozone.webhooks.drain import Drain
from clozone.webhooks.intake import Intake, NotStored
from clozone.webhooks.outage import Outage
from clozone.webhooks.rotation import RotationNotice
from clozone.webhooks.schemas import Receipt
from clozone.webhooks.signature import WebhookRefused, verify_body, verify_head, without_proof

blueprint = Blueprint("webhooks", __name__, url_prefix="/api/webhooks")


@blueprint.post("/vapi")
@operation(
    allow=None,
    returns={200: Receipt},
    errors=(WebhookRefused, BadRequest, Invalid, NotStored),
    limit=None,
    max_body="webhook",
)
async def receive_vapi() -> Any:
    """Take a server message of Vapi.

    Answers once the message is stored for good; what it means is worked out afterwards. The same
    message delivered again is counted, not stored twice. How the sender proves itself is set by
    VAPI_WEBHOOK_AUTH. Fields and types that we do not know are welcome.
    """
    settings = cast(Settings, current_app.extensions["settings"])
    headers = dict(request.headers)
    # Before the body: a stranger must not make us take in megabytes.
    used = verify_head(settings, headers)
    body = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    used = used or verify_body(settings, headers, body, now())
    cast(RotationNotice, current_app.extensions["webhook_rotation"]).note(used)
    intake = cast(Intake, current_app.extensions["webhook_intake"])
    return await intake.take(body, without_proof(settings, headers))


def install_intake(app: Quart, settings: Settings) -> None:
    """Open and close with `app` what webhooks are taken with: the spool and its drain.

    To be called before anything that the drain needs is installed, so that it is closed before.
    """
    outage = Outage()
    spool = init_spool(settings)
    drain = Drain(spool, outage)
    app.extensions["webhook_intake"] = Intake(spool, outage)
    app.extensions["webhook_rotation"] = RotationNotice()

    async def open_intake() -> None:
        drain.start()

    app.before_serving(open_intake)
    app.after_serving(drain.close)
