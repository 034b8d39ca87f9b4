from dataclasses import dataclass
from typing import Literal, cast

import pytest

from clozone.drill.signing import proof
from clozone.drill.target import Target
from clozone.kit.clock import now
from clozone.settings import Settings
from clozone.webhooks.signature import WrongCredential, verify

SECRET = "a secret of the drill"
BODY = b'{"message":{"type":"hang"}}'


@dataclass
class Credential:
    """The two facts of a target that signing needs."""

    vapi_header: str
    vapi_secret: str = SECRET


@pytest.mark.parametrize(
    ("auth", "header"),
    [("hmac", "x-signature"), ("secret", "X-Vapi-Secret"), ("bearer", "Authorization")],
)
def test_the_platform_believes_what_the_drill_signs(
    auth: Literal["bearer", "secret", "hmac"], header: str
) -> None:
    settings = Settings(vapi_webhook_auth=auth, vapi_webhook_secret=SECRET)
    verify(settings, proof(cast(Target, Credential(header)), BODY), BODY, now())
    with pytest.raises(WrongCredential):
        verify(settings, proof(cast(Target, Credential(header, "another")), BODY), BODY, now())
