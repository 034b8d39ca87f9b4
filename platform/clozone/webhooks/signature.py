"""Proof that a webhook comes from Vapi: a shared secret, or a signature made with one."""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus

from clozone.kit.errors import DomainError
from clozone.settings import Settings

_DEFAULT_HEADERS = {"bearer": "authorization", "secret": "x-vapi-secret", "hmac": "x-signature"}
_BEARER = re.compile(r"bearer\s+", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"(\{[^{}]*\})")
# "sha256=", "v1,": whatever prefix the operator gave the credential, before hex or base64.
_SIGNATURE = re.compile(r"(?:[\w-]{1,20}[=,:])?(?P<digest>[0-9A-Za-z+/_-]+)={0,2}", re.ASCII)
_TIMESTAMP = re.compile(r"\d{1,16}", re.ASCII)
_DIGEST_BYTES = {"sha1": 20, "sha256": 32, "sha512": 64}
# Seconds stay below this until the year 5138; milliseconds have been above it since 1973.
_LEAST_MILLISECONDS = 100_000_000_000


class WebhookRefused(DomainError):
    """The sender did not prove itself; the subclasses' codes say which check failed."""

    code = "webhook_refused"
    status = HTTPStatus.UNAUTHORIZED
    title = "The webhook was refused"


class MissingCredential(WebhookRefused):
    """A header that must carry the credential is not there."""

    code = "missing_credential"


class WrongCredential(WebhookRefused):
    """The secret or the signature is not ours."""

    code = "wrong_credential"


class MalformedSignature(WebhookRefused):
    """The signature or its time is not in a form that could be right."""

    code = "malformed_signature"


class StaleTimestamp(WebhookRefused):
    """Signed rightly, but too long ago or too far ahead: perhaps a replay."""

    code = "stale_timestamp"


class NotConfigured(WebhookRefused):
    """This platform has no usable secret, so it can believe nobody."""

    code = "webhook_not_configured"


class Secret(StrEnum):
    """Which of the two live secrets a sender used."""

    current = "current"
    previous = "previous"


def verify_head(settings: Settings, headers: Mapping[str, str]) -> Secret | None:
    """What can be told before the body is read: the secret used, or None when the body is signed.

    `headers` are matched without regard to case. Either of the two live secrets holds. Which kind
    of proof is expected: settings.vapi_webhook_*. Raises a WebhookRefused that says which check
    failed; for a signature that is one that is missing or malformed.
    """
    secrets = _secrets(settings)
    received = {name.lower(): value for name, value in headers.items()}
    if settings.vapi_webhook_auth == "hmac":
        _signature(settings, received)
        return None
    return _verify_secret(secrets, _header(received, _proof_header(settings)))


def verify_body(
    settings: Settings, headers: Mapping[str, str], body: bytes, now: datetime
) -> Secret:
    """The secret that signed the raw body. `now` is aware. Raises a WebhookRefused."""
    secrets = _secrets(settings)
    received = {name.lower(): value for name, value in headers.items()}
    digest, timestamp = _signature(settings, received)
    algorithm = settings.vapi_webhook_hmac_algorithm
    payload = _payload(settings.vapi_webhook_hmac_payload, timestamp, body)
    expected = [hmac.digest(secret, payload, algorithm) for secret in secrets]
    used = _which(expected, [digest])
    if used is None:
        raise WrongCredential("The signature does not fit the body.")
    # Only now, so that a stranger learns nothing about our clock.
    if timestamp and _age(timestamp, now) > settings.vapi_webhook_tolerance_seconds:
        raise StaleTimestamp("The signature is too old, or from the future; check the clocks.")
    return used


def verify(settings: Settings, headers: Mapping[str, str], body: bytes, now: datetime) -> Secret:
    """Both steps at once: the secret used. Raises a WebhookRefused."""
    return verify_head(settings, headers) or verify_body(settings, headers, body, now)


def without_proof(settings: Settings, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers by lower-case name, without those that carry the credential."""
    name = _proof_header(settings).lower()
    return {key.lower(): value for key, value in headers.items() if key.lower() != name}


def _proof_header(settings: Settings) -> str:
    return settings.vapi_webhook_header or _DEFAULT_HEADERS[settings.vapi_webhook_auth]


def _secrets(settings: Settings) -> list[bytes]:
    current = settings.vapi_webhook_secret.get_secret_value()
    previous = settings.vapi_webhook_secret_previous
    if not current:
        raise NotConfigured("Set VAPI_WEBHOOK_SECRET: without one no webhook is accepted.")
    live = [current, previous.get_secret_value() if previous else ""]
    return [secret.encode() for secret in live if secret]


def _header(received: Mapping[str, str], name: str) -> str:
    value = received.get(name.lower(), "").strip()
    if not value:
        raise MissingCredential(f"The header {name} is missing.")
    return value


def _verify_secret(secrets: list[bytes], credential: str) -> Secret:
    # Vapi leaves the scheme out when a credential says so, and X-Vapi-Secret never has one.
    presented = [credential, _BEARER.sub("", credential, count=1)]
    used = _which(secrets, [value.encode("utf-8", "replace") for value in presented])
    if used is None:
        raise WrongCredential("The secret is not the one that was agreed.")
    return used


def _signature(settings: Settings, received: Mapping[str, str]) -> tuple[bytes, str]:
    """The digest that was sent, and the time that was signed with the body."""
    credential = _header(received, _proof_header(settings))
    timestamp = _timestamp(settings, received)
    return _digest(credential, _DIGEST_BYTES[settings.vapi_webhook_hmac_algorithm]), timestamp


def _timestamp(settings: Settings, received: Mapping[str, str]) -> str:
    """The time that was signed with the body, or "" when the agreed payload holds none."""
    if "{timestamp}" not in settings.vapi_webhook_hmac_payload:
        return ""
    timestamp = _header(received, settings.vapi_webhook_timestamp_header)
    if not _TIMESTAMP.fullmatch(timestamp):
        raise MalformedSignature("The timestamp is not a whole number of (milli)seconds.")
    return timestamp


def _digest(credential: str, length: int) -> bytes:
    """The signature's bytes, from hex or from base64 in either alphabet, padded or not."""
    found = _SIGNATURE.fullmatch(credential)
    text = found["digest"] if found else ""
    try:
        if len(text) == length * 2:
            return bytes.fromhex(text)
        digest = base64.urlsafe_b64decode(text.translate(str.maketrans("+/", "-_")) + "==")
    except (ValueError, binascii.Error):
        digest = b""
    if len(digest) != length:
        raise MalformedSignature("The signature is neither hex nor base64 of the agreed digest.")
    return digest


def _payload(template: str, timestamp: str, body: bytes) -> bytes:
    """What Vapi signed. Filled in one pass: a body that holds "{timestamp}" stays as it is."""
    values = {"{timestamp}": timestamp.encode(), "{body}": body}
    parts = _PLACEHOLDER.split(template)
    unknown = [part for part in parts[1::2] if part not in values]
    if unknown or "{body}" not in parts:
        raise NotConfigured("VAPI_WEBHOOK_HMAC_PAYLOAD must hold {body}, may hold {timestamp}.")
    return b"".join(values.get(part, part.encode()) for part in parts)


def _which(expected: list[bytes], presented: list[bytes]) -> Secret | None:
    """Whose of ours fits any of theirs. In constant time: every pair is compared."""
    fits = [[hmac.compare_digest(ours, theirs) for theirs in presented] for ours in expected]
    live = [secret for secret, matches in zip(Secret, fits, strict=False) if any(matches)]
    return live[0] if live else None


def _age(timestamp: str, now: datetime) -> float:
    signed_at = int(timestamp)
    seconds = signed_at / 1000 if signed_at >= _LEAST_MILLISECONDS else signed_at
    return abs(now.timestamp() - seconds)
