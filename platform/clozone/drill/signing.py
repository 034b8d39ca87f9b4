"""Webhooks signed as Vapi signs them, by the credential that the bundle expects."""

import hashlib
import hmac
import time

from clozone.drill.target import Target

SIGNATURE_HEADER = "x-signature"
TIMESTAMP_HEADER = "x-timestamp"


def proof(target: Target, body: bytes) -> dict[str, str]:
    """The headers that prove this body; made anew for each delivery, since signatures grow old."""
    header, secret = target.vapi_header, target.vapi_secret
    if header.lower() != SIGNATURE_HEADER:
        return {header: f"Bearer {secret}" if header.lower() == "authorization" else secret}
    moment = str(int(time.time()))
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return {header: signed.hexdigest(), TIMESTAMP_HEADER: moment}
