from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import httpx2
import jwt
import pytest
from issuer import Issuer, serving
from tests.support.people import Team

from clozone.accounts.external import ExternalIssuers
from clozone.accounts.refusals import InvalidToken
from clozone.accounts.tokens import AccessTokens
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.errors import Unavailable
from clozone.models.accounts import Profile
from clozone.settings import Settings
from clozone.web.identity import Role

SUPABASE_SECRET = "supabase-secret-of-the-tests-0123456789"
SUPABASE_ISSUER = "https://project.supabase.example/auth/v1"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with serving(issuer):
        yield issuer


@pytest.fixture(scope="module")
def trusting(another_web, issuer: Issuer) -> httpx2.Client:
    """A web process that accepts the issuer's tokens and Supabase's."""
    return another_web(
        AUTH_JWT_ISSUER=issuer.url,
        AUTH_JWT_AUDIENCE="clozone",
        SUPABASE_JWT_SECRET=SUPABASE_SECRET,
    )


def me(client: httpx2.Client, token: str) -> httpx2.Response:
    return client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})


def bound(team: Team, issuer: str, **fields: object) -> str:
    """A subject that a rep of the team is bound to."""
    subject = str(uuid4())
    team.add("rep", external_subject=f"{issuer}|{subject}", **fields)
    return subject


def supabase_token(secret: str = SUPABASE_SECRET, **changes: object) -> str:
    claims = {
        "iss": SUPABASE_ISSUER,
        "aud": "authenticated",
        "sub": str(uuid4()),
        "exp": now() + timedelta(minutes=5),
        "role": "authenticated",
    } | changes
    return jwt.encode(claims, secret, "HS256")


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
def test_a_bound_person_is_let_in_with_our_role(trusting, issuer, team, kid):
    subject = bound(team, issuer.url)
    token = issuer.token(kid, sub=subject, role="operator", org=str(uuid4()), org_id=str(uuid4()))
    answer = me(trusting, token)
    assert answer.status_code == 200
    assert answer.json()["org_id"] == str(team.org_id)
    assert answer.json()["role"] == "rep"
    headers = {"Authorization": f"Bearer {token}"}
    new = {"email": "x@example.com", "full_name": "X", "role": "rep"}
    assert trusting.post("/api/users", json=new, headers=headers).status_code == 403


def test_somebody_new_is_found_by_verified_address_and_bound(trusting, issuer, team):
    subject, email = str(uuid4()), team.email("manager")
    token = issuer.token(sub=subject, email=email.upper(), email_verified=True)
    answer = me(trusting, token)
    assert answer.json()["id"] == str(team.people["manager"])
    assert team.profile("manager").external_subject == f"{issuer.url}|{subject}"
    assert team.audited() == [("user.bound", "user")]
    moved = issuer.token(sub=subject, email="changed@example.com", email_verified=True)
    assert me(trusting, moved).json()["id"] == str(team.people["manager"])
    assert len(team.audited()) == 1


def test_first_requests_all_at_once_bind_once(trusting, issuer, team):
    token = issuer.token(sub=str(uuid4()), email=team.email("rep"), email_verified=True)
    with ThreadPoolExecutor(6) as browser:
        answers = list(browser.map(lambda _: me(trusting, token).status_code, range(6)))
    assert answers == [200] * 6
    assert team.audited() == [("user.bound", "user")]


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_nobody_verified_binds_nothing(trusting, issuer, team, verified):
    token = issuer.token(sub=str(uuid4()), email=team.email("rep"), email_verified=verified)
    answer = me(trusting, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "no_account")
    assert team.profile("rep").external_subject is None


def test_a_stranger_is_told_that_they_have_no_account(trusting, issuer):
    token = issuer.token(sub=str(uuid4()), email="stranger@example.com", email_verified=True)
    answer = me(trusting, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "no_account")
    assert "administrator" in answer.json()["detail"]


def test_a_bound_account_cannot_be_taken_over(trusting, issuer, team):
    user_id = team.add("rep", external_subject=f"{issuer.url}|first")
    token = issuer.token(sub="second", email=team.email(user_id), email_verified=True)
    answer = me(trusting, token)
    assert (answer.status_code, answer.json()["code"]) == (401, "no_account")
    assert team.profile(user_id).external_subject == f"{issuer.url}|first"


def test_a_subject_counts_for_its_issuer_only(trusting, issuer, team):
    subject = bound(team, "https://another.example")
    assert me(trusting, issuer.token(sub=subject)).status_code == 401


def test_a_deactivated_person_is_out_at_once(trusting, issuer, team):
    subject = bound(team, issuer.url)
    token = issuer.token(sub=subject)
    assert me(trusting, token).status_code == 200
    with unit_of_work(Scope.tenant(team.org_id)):
        Profile.update(active=False).where(Profile.external_subject.is_null(False)).execute()
    assert me(trusting, token).status_code == 401


def test_tokens_that_do_not_hold_are_refused(trusting, issuer, team):
    subject = bound(team, issuer.url)
    wrong = {
        "expired": issuer.token(sub=subject, exp=now() - timedelta(minutes=1)),
        "no expiry": issuer.token(sub=subject, exp=None),
        "another audience": issuer.token(sub=subject, aud="another"),
        "no audience": issuer.token(sub=subject, aud=None),
        "another issuer": issuer.token(sub=subject, iss="https://evil.example"),
        "no issuer": issuer.token(sub=subject, iss=None),
        "another key": issuer.token("rsa", signed_by="later", sub=subject),
        "unknown key": issuer.token("later", sub=subject),
        "public key as secret": issuer.token_signed_with_public_key(subject),
        "nul in the subject": issuer.token(sub="a\0b"),
        "our own name": issuer.token(sub=subject, iss="clozone"),
    }
    assert {
        name: me(trusting, token).status_code for name, token in wrong.items()
    } == dict.fromkeys(wrong, 401)
    assert me(trusting, wrong["expired"]).json()["code"] == "token_expired"
    assert me(trusting, issuer.token(sub=subject)).status_code == 200


def test_supabase_tokens_are_accepted(trusting, team):
    subject = bound(team, SUPABASE_ISSUER)
    assert me(trusting, supabase_token(sub=subject)).status_code == 200


@pytest.mark.parametrize(
    "changes", [{"aud": "anon"}, {"secret": SUPABASE_SECRET[::-1]}, {"exp": 1}, {"iss": "clozone"}]
)
def test_supabase_tokens_that_do_not_hold_are_refused(trusting, team, changes):
    subject = bound(team, SUPABASE_ISSUER)
    assert me(trusting, supabase_token(**{"sub": subject, **changes})).status_code == 401


def test_our_own_tokens_go_on_working(trusting, settings, team):
    token = AccessTokens(settings).issue(team.people["rep"], team.org_id, Role.rep)
    assert me(trusting, token).status_code == 200


def test_without_such_settings_no_other_issuer_counts(api, issuer, team):
    subject = bound(team, issuer.url)
    assert me(api, issuer.token(sub=subject)).status_code == 401
    assert me(api, supabase_token(sub=bound(team, SUPABASE_ISSUER))).status_code == 401


def accepting(issuer: Issuer) -> ExternalIssuers:
    return ExternalIssuers(Settings(auth_jwt_issuer=issuer.url, auth_jwt_audience="clozone"))


def test_keys_are_fetched_once_and_unknown_ones_do_not_flood_the_issuer(issuer):
    issuers, before = accepting(issuer), issuer.requests
    for _ in range(5):
        issuers.identity(issuer.token())
        with pytest.raises(InvalidToken):
            issuers.identity(issuer.token("later"))
    assert issuer.requests == before + 1


def test_an_issuer_that_is_away_means_later_not_no():
    issuer = Issuer()
    with serving(issuer):
        token = issuer.token()
    with pytest.raises(Unavailable):
        accepting(issuer).identity(token)


def test_an_issuer_that_answers_nonsense_means_later_and_is_left_alone_a_while():
    issuer = Issuer()
    issuer.body = b"<html>"
    with serving(issuer):
        issuers = accepting(issuer)
        for _ in range(3):
            with pytest.raises(Unavailable):
                issuers.identity(issuer.token())
    assert issuer.requests == 1
