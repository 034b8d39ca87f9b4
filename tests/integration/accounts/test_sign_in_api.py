from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx2
import pytest
from argon2 import PasswordHasher
from tests.support.people import PASSWORD, SignIn, Team

from clozone.accounts.passwords import needs_rehash
from clozone.accounts.tokens import AccessTokens
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.models.accounts import Profile, RefreshToken
from clozone.web.identity import Role


def login(api: httpx2.Client, team: Team, password: str = PASSWORD) -> httpx2.Response:
    return api.post("/api/auth/login", json={"email": team.email("rep"), "password": password})


def refresh(api: httpx2.Client, token: str) -> httpx2.Response:
    return api.post("/api/auth/refresh", json={"refresh_token": token})


def me(api: httpx2.Client, access_token: str) -> httpx2.Response:
    return api.get("/api/auth/me", headers={"Authorization": f"Bearer {access_token}"})


def forget_when_used(team: Team) -> None:
    """As if all uses of refresh tokens had been long ago."""
    with unit_of_work(Scope.tenant(team.org_id)):
        used = RefreshToken.used_at.is_null(False)
        RefreshToken.update(used_at=now() - timedelta(minutes=5)).where(used).execute()


def test_signing_in_gives_tokens_and_says_who_one_is(api, team):
    answer = login(api, team)
    assert answer.status_code == 200
    body = answer.json()
    user = {
        "id": str(team.people["rep"]),
        "email": team.email("rep"),
        "full_name": "A Rep",
        "role": "rep",
        "org_id": str(team.org_id),
    }
    assert body["user"] == user
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    organization = {"id": str(team.org_id), "name": "Acme"}
    assert me(api, body["access_token"]).json() == {**user, "organization": organization}
    assert team.profile("rep").last_login_at is not None


def test_an_address_is_found_in_any_case(api, team):
    credentials = {"email": f" {team.email('rep').upper()} ", "password": PASSWORD}
    assert api.post("/api/auth/login", json=credentials).status_code == 200


def test_unknown_address_and_wrong_password_get_the_same_answer(api, team):
    wrong = login(api, team, "not the password").json()
    unknown = api.post(
        "/api/auth/login", json={"email": "nobody@example.com", "password": PASSWORD}
    )
    assert unknown.status_code == 401
    assert unknown.headers["WWW-Authenticate"].startswith("Bearer")
    assert wrong["code"] == "wrong_credentials"
    differing = {name for name in wrong if wrong[name] != unknown.json()[name]}
    assert differing == {"request_id"}


def test_a_person_of_another_issuer_has_no_password_to_sign_in_with(api, team):
    user_id = team.add("rep", password_hash=None)
    credentials = {"email": team.email(user_id), "password": PASSWORD}
    assert api.post("/api/auth/login", json=credentials).status_code == 401


def test_a_deactivated_person_cannot_sign_in(api, team):
    user_id = team.add("rep", active=False)
    credentials = {"email": team.email(user_id), "password": PASSWORD}
    answer = api.post("/api/auth/login", json=credentials)
    assert answer.status_code == 401
    assert "deactivated" in answer.json()["detail"]


def test_signing_in_replaces_a_hash_of_former_parameters(api, team):
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    user_id = team.add("rep", password_hash=weak)
    credentials = {"email": team.email(user_id), "password": PASSWORD}
    assert api.post("/api/auth/login", json=credentials).status_code == 200
    kept = team.profile(user_id).password_hash
    assert not needs_rehash(kept)
    assert api.post("/api/auth/login", json=credentials).status_code == 200
    assert team.profile(user_id).password_hash == kept


def test_refresh_tokens_are_kept_as_hashes_only(api, team):
    token = login(api, team).json()["refresh_token"]
    with unit_of_work(Scope.tenant(team.org_id)):
        kept = bytes(RefreshToken.get().token_hash)
    assert token.encode() not in kept
    assert len(kept) == 32


def test_refreshing_replaces_both_tokens(api, team):
    first = login(api, team).json()
    second = refresh(api, first["refresh_token"]).json()
    assert second["user"] == first["user"]
    assert second["refresh_token"] != first["refresh_token"]
    assert me(api, second["access_token"]).status_code == 200
    assert refresh(api, second["refresh_token"]).status_code == 200


def test_a_refresh_token_used_again_later_revokes_the_whole_sign_in(api, team):
    first = login(api, team).json()["refresh_token"]
    second = refresh(api, first).json()["refresh_token"]
    other_device = login(api, team).json()["refresh_token"]
    forget_when_used(team)
    again = refresh(api, first)
    assert again.status_code == 401
    assert again.json()["code"] == "invalid_token"
    assert refresh(api, second).status_code == 401
    assert refresh(api, other_device).status_code == 200


def test_two_tabs_that_refresh_at_once_both_stay_signed_in(api, team):
    token = login(api, team).json()["refresh_token"]
    with ThreadPoolExecutor(4) as tabs:
        answers = list(tabs.map(lambda _: refresh(api, token), range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    tokens = {answer.json()["refresh_token"] for answer in answers}
    assert len(tokens) == 4
    with unit_of_work(Scope.tenant(team.org_id)):
        families = {row.family_id for row in RefreshToken.select()}
    assert len(families) == 1


def test_an_expired_refresh_token_is_refused(api, team):
    token = login(api, team).json()["refresh_token"]
    with unit_of_work(Scope.tenant(team.org_id)):
        RefreshToken.update(expires_at=now() - timedelta(seconds=1)).execute()
    assert refresh(api, token).status_code == 401


def test_signing_out_ends_the_sign_in_and_no_other(api, team):
    first = login(api, team).json()["refresh_token"]
    second = refresh(api, first).json()["refresh_token"]
    other_device = login(api, team).json()["refresh_token"]
    assert api.post("/api/auth/logout", json={"refresh_token": first}).status_code == 204
    assert refresh(api, second).status_code == 401
    assert refresh(api, other_device).status_code == 200
    assert api.post("/api/auth/logout", json={"refresh_token": first}).status_code == 204


@pytest.mark.parametrize("token", ["", "x", "ü" * 200])
def test_tokens_that_never_were_are_refused(api, token):
    assert refresh(api, token).status_code == 401
    assert api.post("/api/auth/logout", json={"refresh_token": token}).status_code == 204


def test_a_new_role_shows_in_the_next_access_token(api, team):
    token = login(api, team).json()["refresh_token"]
    with unit_of_work(Scope.platform()):
        Profile.update(role="manager").where(Profile.id == team.people["rep"]).execute()
    refreshed = refresh(api, token).json()
    assert refreshed["user"]["role"] == "manager"
    new_user = {"email": team.email("nobody"), "full_name": "N", "role": "rep"}
    headers = {"Authorization": f"Bearer {refreshed['access_token']}"}
    assert api.post("/api/users", json=new_user, headers=headers).status_code == 201


def test_an_expired_access_token_asks_to_refresh(api, team, settings):
    old = AccessTokens(settings).issue(
        team.people["rep"], team.org_id, Role.rep, lifetime_seconds=-60
    )
    answer = me(api, old)
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_expired"
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("header", ["Basic dTpw", "Bearer", "token", "Bearer a b"])
def test_other_authorization_headers_are_refused(api, header):
    answer = api.get("/api/auth/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


def test_whoever_is_gone_is_not_told_who_they_are(api, team, sign_in: SignIn):
    client = sign_in(team, "rep")
    with unit_of_work(Scope.platform()):
        Profile.update(active=False).where(Profile.id == team.people["rep"]).execute()
    assert client.get("/api/auth/me").status_code == 401
