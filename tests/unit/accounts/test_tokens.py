import base64
import json
import time
from datetime import timedelta

import jwt
import pytest

from clozone.accounts.refusals import InvalidToken, TokenExpired
from clozone.accounts.tokens import CLOCK_LEEWAY_SECONDS, AccessTokens, WeakSecret
from clozone.kit.clock import now
from clozone.kit.ids import new_id
from clozone.settings import Settings
from clozone.web.identity import Actor, Role

SECRET = "0123456789abcdef0123456789abcdef"
USER, ORG = new_id(), new_id()


def tokens(secret: str = SECRET) -> AccessTokens:
    return AccessTokens(Settings(jwt_secret=secret))


def claims(**changes: object) -> dict[str, object]:
    full = {
        "iss": "clozone",
        "sub": str(USER),
        "org": str(ORG),
        "role": "rep",
        "iat": now(),
        "exp": now() + timedelta(minutes=15),
        "jti": "1",
        "typ": "access",
    } | changes
    return {name: value for name, value in full.items() if value is not None}


def test_a_token_says_who_calls():
    token = tokens().issue(USER, ORG, Role.manager)
    assert tokens().read(token) == Actor(USER, ORG, Role.manager)


def test_a_token_that_is_known_expires_all_the_same():
    issuer = tokens()
    # Good for one more second, by the leeway that clocks are given.
    token = issuer.issue(new_id(), new_id(), Role.rep, lifetime_seconds=1 - CLOCK_LEEWAY_SECONDS)
    assert issuer.read(token) is issuer.read(token)
    time.sleep(1.1)
    with pytest.raises(TokenExpired):
        issuer.read(token)


def test_the_tokens_that_are_known_are_bounded(monkeypatch):
    monkeypatch.setattr("clozone.accounts.tokens.MOST_KNOWN", 2)
    issuer = tokens()
    made = [issuer.issue(new_id(), new_id(), Role.rep) for _ in range(3)]
    first, second, third = (issuer.read(token) for token in made)
    assert issuer.read(made[1]) is second
    assert issuer.read(made[2]) is third
    again = issuer.read(made[0])
    assert again == first
    assert again is not first


def test_tokens_differ_although_the_person_is_the_same():
    assert tokens().issue(USER, ORG, Role.rep) != tokens().issue(USER, ORG, Role.rep)


def test_an_old_token_says_that_it_has_expired():
    old = tokens().issue(USER, ORG, Role.rep, lifetime_seconds=-60)
    with pytest.raises(TokenExpired) as refusal:
        tokens().read(old)
    assert 'error="invalid_token"' in refusal.value.headers["WWW-Authenticate"]


def test_the_claims_of_these_tests_are_good_unless_changed():
    assert tokens().read(jwt.encode(claims(), SECRET, "HS256")).user_id == USER


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody-else"},
        {"iss": None},
        {"sub": None},
        {"sub": "not-an-id"},
        {"org": None},
        {"org": 7},
        {"role": "owner"},
        {"role": None},
        {"exp": None},
        {"jti": None},
        {"typ": "refresh"},
        {"typ": None},
        {"iat": now() + timedelta(hours=1)},
    ],
)
def test_signed_claims_that_do_not_fit_are_refused(changes):
    with pytest.raises(InvalidToken):
        tokens().read(jwt.encode(claims(**changes), SECRET, "HS256"))


def unsigned(header: dict[str, str]) -> str:
    body = {**claims(), "iat": 1, "exp": 99_999_999_999}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (header, body)
    ]
    return ".".join([*parts, ""])


FORGED = {
    "nothing": "",
    "a word": "x",
    "three words": "a.b.c",
    "an emoji": "\N{GRINNING FACE}",
    "another key": jwt.encode(claims(), SECRET[::-1], "HS256"),
    "another algorithm": jwt.encode(claims(), SECRET * 2, "HS512"),
    "no algorithm": unsigned({"alg": "none", "typ": "JWT"}),
    "no signature": unsigned({"alg": "HS256", "typ": "JWT"}),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_and_broken_tokens_are_refused(kind):
    with pytest.raises(InvalidToken):
        tokens().read(FORGED[kind])


def test_a_short_secret_refuses_to_start():
    with pytest.raises(WeakSecret, match="JWT_SECRET must have at least 32 characters; it has 31"):
        tokens(SECRET[:-1])
