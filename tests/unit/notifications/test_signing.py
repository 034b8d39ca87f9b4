"""Signatures against the vector that the reference libraries of Standard Webhooks are tested with."""

import base64
import hashlib
import hmac

from clozone.notifications.signing import new_secret, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector():
    assert signature([SECRET], *MESSAGE) == SIGNATURE


def test_two_secrets_give_two_signatures_each_as_if_alone():
    other = new_secret()

    both = signature([SECRET, other], *MESSAGE)

    assert both == f"{SIGNATURE} {signature([other], *MESSAGE)}"
    assert len(set(both.split(" "))) == 2


def test_a_new_secret_is_long_fresh_and_signs():
    secret, other = new_secret(), new_secret()
    prefix, _, text = secret.partition("_")
    key = base64.b64decode(text, validate=True)
    signed = b"msg_1.1700000000.{}"
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()

    assert secret != other
    assert prefix == "whsec"
    assert 24 <= len(key) <= 64
    assert signature([secret], "msg_1", 1700000000, b"{}") == f"v1,{mac}"


def test_id_time_and_body_are_all_signed():
    message_id, timestamp, body = MESSAGE
    for changed in (
        (message_id + "x", timestamp, body),
        (message_id, timestamp + 1, body),
        (message_id, timestamp, body + b" "),
    ):
        assert signature([SECRET], *changed) != SIGNATURE
