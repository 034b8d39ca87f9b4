"""Who is believed, and what the others are told."""

import base64
import hmac
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clozone.kit.clock import now as clock_now
from clozone.settings import Settings
from clozone.webhooks.signature import (
    MalformedSignature,
    MissingCredential,
    NotConfigured,
    Secret,
    StaleTimestamp,
    WebhookRefused,
    WrongCredential,
    verify,
    verify_head,
)

SECRET = "correct horse battery staple"
FORMER = "the former secret"
BODY = b'{"message":{"type":"hang","note":"{timestamp} stays"}}'
NOW = clock_now()


def settings(**values):
    values = {"secret": SECRET, **values}
    return Settings(**{f"vapi_webhook_{name}": value for name, value in values.items()})


def digest(payload=BODY, *, secret=SECRET, algorithm="sha256"):
    return hmac.digest(secret.encode(), payload, algorithm)


def seconds(offset=0.0):
    return str(int(NOW.timestamp() + offset))


def signed(timestamp, body=BODY, **options):
    return digest(timestamp.encode() + b"." + body, **options).hex()


@pytest.mark.parametrize(
    ("options", "headers"),
    [
        ({}, {"X-Vapi-Secret": SECRET}),
        ({}, {"x-VAPI-secret": f" {SECRET} "}),
        ({}, {"X-Vapi-Secret": f"Bearer {SECRET}"}),
        ({"auth": "bearer"}, {"Authorization": f"Bearer {SECRET}"}),
        ({"auth": "bearer"}, {"authorization": f"bearer  {SECRET}"}),
        ({"auth": "bearer"}, {"AUTHORIZATION": SECRET}),
        ({"auth": "bearer", "header": "X-Api-Key"}, {"x-api-key": f"Bearer {SECRET}"}),
        ({"auth": "secret", "header": "X-Ours"}, {"X-OURS": SECRET}),
        ({"secret": "Bearer of news"}, {"X-Vapi-Secret": "Bearer of news"}),
        ({"secret_previous": FORMER}, {"X-Vapi-Secret": FORMER}),
        ({"secret_previous": FORMER}, {"X-Vapi-Secret": SECRET}),
    ],
)
def test_a_shared_secret_is_believed(options, headers):
    verify(settings(**options), headers, BODY, NOW)


@pytest.mark.parametrize(
    ("options", "headers", "refusal"),
    [
        ({}, {}, MissingCredential),
        ({}, {"X-Vapi-Secret": "  "}, MissingCredential),
        ({}, {"Authorization": f"Bearer {SECRET}"}, MissingCredential),
        ({}, {"X-Vapi-Secret": SECRET[:-1]}, WrongCredential),
        ({}, {"X-Vapi-Secret": SECRET + "x"}, WrongCredential),
        ({}, {"X-Vapi-Secret": SECRET.upper()}, WrongCredential),
        ({}, {"X-Vapi-Secret": FORMER}, WrongCredential),
        ({}, {"X-Vapi-Secret": "ſecret\udcff"}, WrongCredential),
        ({"auth": "bearer"}, {"Authorization": "Bearer"}, WrongCredential),
        ({"auth": "bearer"}, {"Authorization": f"Basic {SECRET}"}, WrongCredential),
        ({"secret_previous": ""}, {"X-Vapi-Secret": "Bearer "}, WrongCredential),
        ({"secret": ""}, {"X-Vapi-Secret": ""}, NotConfigured),
        ({"secret": ""}, {"X-Vapi-Secret": "anything"}, NotConfigured),
        ({"secret": "", "auth": "bearer"}, {"Authorization": "Bearer "}, NotConfigured),
        ({"secret": "", "auth": "hmac"}, {"x-signature": digest(secret="").hex()}, NotConfigured),
    ],
)
def test_anything_else_is_refused(options, headers, refusal):
    with pytest.raises(refusal) as refused:
        verify(settings(**options), headers, BODY, NOW)
    assert refused.value.status == 401
    assert SECRET not in str(refused.value)


ENCODINGS = {
    "hex": lambda raw: raw.hex(),
    "HEX": lambda raw: raw.hex().upper(),
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64 url-safe": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "base64 unpadded": lambda raw: base64.b64encode(raw).decode().rstrip("="),
}


@pytest.mark.parametrize("prefix", ["", "sha256=", "v1=", "v1,", "hmac:"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
def test_every_encoding_and_prefix_of_a_right_signature_is_believed(prefix, encoding, algorithm):
    ours = settings(auth="hmac", hmac_algorithm=algorithm, hmac_payload="{body}")
    # Bodies enough to meet digests with "+", "/" and "-" in them.
    for number in range(12):
        body = BODY + bytes([number])
        signature = prefix + ENCODINGS[encoding](digest(body, algorithm=algorithm))
        verify(ours, {"X-Signature": signature}, body, NOW)


@pytest.mark.parametrize("to_unit", [1, 1000])
@pytest.mark.parametrize("offset", [0, -299, 299])
def test_a_fresh_timestamp_is_believed_in_seconds_and_milliseconds(to_unit, offset):
    timestamp = str(int((NOW.timestamp() + offset) * to_unit))
    headers = {"x-signature": signed(timestamp), "x-timestamp": timestamp}
    verify(settings(auth="hmac"), headers, BODY, NOW)


@pytest.mark.parametrize("to_unit", [1, 1000])
@pytest.mark.parametrize("offset", [-302, 302, -86_400])
def test_a_stale_or_future_timestamp_is_refused(to_unit, offset):
    timestamp = str(int((NOW.timestamp() + offset) * to_unit))
    headers = {"x-signature": signed(timestamp), "x-timestamp": timestamp}
    with pytest.raises(StaleTimestamp):
        verify(settings(auth="hmac"), headers, BODY, NOW)


def test_the_tolerance_is_the_operators():
    timestamp = seconds(-1000)
    headers = {"x-signature": signed(timestamp), "x-timestamp": timestamp}
    verify(settings(auth="hmac", tolerance_seconds=1001), headers, BODY, NOW)
    verify(settings(auth="hmac"), headers, BODY, NOW - timedelta(seconds=1000))


def test_headers_and_payload_are_the_operators():
    ours = settings(
        auth="hmac",
        header="X-Vapi-Signature",
        timestamp_header="X-When",
        hmac_payload="v0:{timestamp}:{body}",
    )
    timestamp = seconds()
    signature = digest(b"v0:" + timestamp.encode() + b":" + BODY).hex()
    verify(ours, {"x-vapi-signature": signature, "x-when": timestamp}, BODY, NOW)


def test_both_live_secrets_may_sign():
    ours = settings(auth="hmac", hmac_payload="{body}", secret_previous=FORMER)
    verify(ours, {"x-signature": digest(secret=FORMER).hex()}, BODY, NOW)
    verify(ours, {"x-signature": digest().hex()}, BODY, NOW)


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"x-timestamp": seconds()}, MissingCredential),
        ({"x-signature": signed(seconds())}, MissingCredential),
        ({"x-signature": signed(seconds()), "x-timestamp": "yesterday"}, MalformedSignature),
        ({"x-signature": signed(seconds()), "x-timestamp": "-5"}, MalformedSignature),
        ({"x-signature": signed("٣٣"), "x-timestamp": "٣٣"}, MalformedSignature),
        ({"x-signature": signed("9" * 40), "x-timestamp": "9" * 40}, MalformedSignature),
        ({"x-signature": "", "x-timestamp": seconds()}, MissingCredential),
        ({"x-signature": "sha256=", "x-timestamp": seconds()}, MalformedSignature),
        ({"x-signature": "nonsense", "x-timestamp": seconds()}, MalformedSignature),
        ({"x-signature": "z" * 64, "x-timestamp": seconds()}, MalformedSignature),
        ({"x-signature": signed(seconds())[:-2], "x-timestamp": seconds()}, MalformedSignature),
        (
            {"x-signature": digest(algorithm="sha1").hex(), "x-timestamp": seconds()},
            MalformedSignature,
        ),
        ({"x-signature": "é" * 64, "x-timestamp": seconds()}, MalformedSignature),
        ({"x-signature": "0" * 64, "x-timestamp": seconds()}, WrongCredential),
        (
            {"x-signature": signed(seconds(), BODY + b" "), "x-timestamp": seconds()},
            WrongCredential,
        ),
        ({"x-signature": signed(seconds(-1)), "x-timestamp": seconds()}, WrongCredential),
        (
            {"x-signature": signed(seconds(), secret=FORMER), "x-timestamp": seconds()},
            WrongCredential,
        ),
        ({"x-signature": "0" * 64, "x-timestamp": "1"}, WrongCredential),
    ],
)
def test_a_signature_that_does_not_hold_is_refused(headers, refusal):
    with pytest.raises(refusal):
        verify(settings(auth="hmac"), headers, BODY, NOW)


def test_an_empty_former_secret_signs_nothing():
    ours = settings(auth="hmac", hmac_payload="{body}", secret_previous="")
    with pytest.raises(WrongCredential):
        verify(ours, {"x-signature": digest(secret="").hex()}, BODY, NOW)


@pytest.mark.parametrize("payload", ["{timestamp}", "", "{body}{url}", "{svix-id}.{body}"])
def test_a_payload_that_cannot_be_checked_believes_nobody(payload):
    signature = digest(payload.replace("{timestamp}", seconds()).encode()).hex()
    with pytest.raises(NotConfigured):
        verify(
            settings(auth="hmac", hmac_payload=payload),
            {"x-signature": signature, "x-timestamp": seconds()},
            BODY,
            NOW,
        )


def test_each_refusal_has_its_own_code():
    codes = {kind.code for kind in WebhookRefused.__subclasses__()}
    assert codes == {
        "missing_credential",
        "wrong_credential",
        "malformed_signature",
        "stale_timestamp",
        "webhook_not_configured",
    }


header_values = st.text(max_size=90) | st.from_regex(r"(sha256=)?[0-9a-f]{64}", fullmatch=True)


@given(
    st.sampled_from(["bearer", "secret", "hmac"]),
    st.dictionaries(
        st.sampled_from(["authorization", "x-vapi-secret", "x-signature", "x-timestamp"]),
        header_values,
    ),
    st.binary(max_size=40),
)
def test_a_stranger_is_always_refused_and_never_breaks_anything(auth, headers, body):
    with pytest.raises(WebhookRefused):
        verify(settings(auth=auth), headers, body, NOW)


def proofs(secret):
    """Headers that prove this secret, by the settings that ask for them."""
    stamp = seconds()
    return [
        ({"auth": "secret"}, {"X-Vapi-Secret": secret}),
        ({"auth": "bearer"}, {"Authorization": f"Bearer {secret}"}),
        (
            {"auth": "hmac"},
            {"X-Signature": signed(stamp, secret=secret), "X-Timestamp": stamp},
        ),
        (
            {"auth": "hmac", "hmac_payload": "{body}"},
            {"X-Signature": digest(secret=secret).hex()},
        ),
    ]


@pytest.mark.parametrize("way", range(4))
@pytest.mark.parametrize(("secret", "used"), [(SECRET, Secret.current), (FORMER, Secret.previous)])
def test_which_of_two_live_secrets_was_used_is_told(way, secret, used):
    options, headers = proofs(secret)[way]
    assert verify(settings(secret_previous=FORMER, **options), headers, BODY, NOW) is used


@pytest.mark.parametrize("way", range(4))
@pytest.mark.parametrize("previous", [None, "", "another one"])
def test_a_secret_that_is_not_live_any_more_is_refused(way, previous):
    options, headers = proofs(FORMER)[way]
    with pytest.raises(WrongCredential):
        verify(settings(secret_previous=previous, **options), headers, BODY, NOW)


@pytest.mark.parametrize("way", range(4))
def test_two_equal_secrets_are_the_current_one(way):
    options, headers = proofs(SECRET)[way]
    used = verify(settings(secret_previous=SECRET, **options), headers, BODY, NOW)
    assert used is Secret.current


@pytest.mark.parametrize("way", range(4))
def test_the_head_alone_decides_unless_the_body_is_signed(way):
    options, headers = proofs(SECRET)[way]
    used = verify_head(settings(**options), headers)
    assert used is (None if options["auth"] == "hmac" else Secret.current)


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({}, MissingCredential),
        ({"X-Signature": "00"}, MissingCredential),
        ({"X-Signature": "00" * 32, "X-Timestamp": "today"}, MalformedSignature),
        ({"X-Signature": "00", "X-Timestamp": "1"}, MalformedSignature),
    ],
)
def test_a_head_that_no_body_can_save_is_refused_at_once(headers, refusal):
    with pytest.raises(refusal):
        verify_head(settings(auth="hmac"), headers)
