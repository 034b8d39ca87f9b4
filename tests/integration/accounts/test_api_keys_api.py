from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest
from tests.support.people import PASSWORD, SignIn, Team

from clozone.accounts.service import api_keys, users
from clozone.infra.postgres import Scope, unit_of_work
from clozone.kit.clock import now
from clozone.kit.errors import Forbidden, Unauthenticated
from clozone.models.accounts import ApiKey, Profile
from clozone.web.identity import Actor, Role


@pytest.fixture
def admin(team: Team, sign_in: SignIn) -> httpx2.Client:
    return sign_in(team, "admin")


def make(client: httpx2.Client, **fields: object) -> httpx2.Response:
    body = {"name": "CI", "role": "manager", "scopes": ["read", "write"], **fields}
    return client.post("/api/api-keys", json=body)


def with_key(api: httpx2.Client, key: str, path: str = "/api/users") -> httpx2.Response:
    return api.get(path, headers={"X-Api-Key": key})


def change_row(team: Team, **values: object) -> None:
    with unit_of_work(Scope.tenant(team.org_id)):
        ApiKey.update(**values).execute()


def stored(team: Team) -> ApiKey:
    with unit_of_work(Scope.tenant(team.org_id)):
        return ApiKey.get()


def test_a_key_is_shown_once_and_kept_as_a_hash(admin, team):
    made = make(admin).json()
    key = made.pop("key")
    assert key.startswith(made["prefix"] + "_")
    assert len(key) > 50
    listed = admin.get("/api/api-keys").json()
    assert listed == {"items": [made], "next_cursor": None}
    row = stored(team)
    assert key.encode() not in bytes(row.key_hash)
    assert team.audited() == [("api_key.created", "user")]


@pytest.mark.parametrize("header", ["X-Api-Key", "Authorization"])
def test_a_key_signs_in_by_either_header(api, admin, team, header):
    key = make(admin).json()["key"]
    value = f"Bearer {key}" if header == "Authorization" else key
    answer = api.get("/api/users", headers={header: value})
    assert answer.status_code == 200
    assert {user["org_id"] for user in answer.json()["items"]} == {str(team.org_id)}


def test_scopes_limit_a_key(api, admin):
    reading = make(admin, scopes=["read"]).json()["key"]
    template = {"name": "T", "scenario": "S", "rubric": {}}
    headers = {"X-Api-Key": reading}
    refused = api.post("/api/templates", json=template, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "write" in refused.json()["detail"]
    assert with_key(api, reading).status_code == 200
    writing = make(admin, scopes=["write"]).json()["key"]
    assert with_key(api, writing).status_code == 403
    assert (
        api.post("/api/templates", json=template, headers={"X-Api-Key": writing}).status_code == 422
    )
    new = {"email": f"{uuid4()}@example.com", "full_name": "N", "role": "rep"}
    assert api.post("/api/users", json=new, headers={"X-Api-Key": writing}).status_code == 403
    full = make(admin, scopes=["admin"]).json()["key"]
    assert api.post("/api/users", json=new, headers={"X-Api-Key": full}).status_code == 201


def test_what_a_key_does_is_audited_as_its_doing(api, admin, team):
    made = make(admin, scopes=["admin"]).json()
    new = {"email": f"{uuid4()}@example.com", "full_name": "N", "role": "rep"}
    api.post("/api/users", json=new, headers={"X-Api-Key": made["key"]})
    assert team.audited() == [("api_key.created", "user"), ("user.created", "api_key")]


def test_the_role_of_a_key_counts_up_to_its_makers(api, admin, team):
    key = make(admin, role="admin", scopes=["admin", "read"]).json()["key"]
    assert with_key(api, key, "/api/api-keys").status_code == 200
    with unit_of_work(Scope.tenant(team.org_id)):
        Profile.update(role="manager").where(Profile.id == team.people["admin"]).execute()
    assert with_key(api, key, "/api/api-keys").status_code == 403
    assert with_key(api, key).status_code == 200


def test_a_key_ends_with_its_maker(api, admin, team):
    key = make(admin).json()["key"]
    with unit_of_work(Scope.tenant(team.org_id)):
        Profile.update(active=False).where(Profile.id == team.people["admin"]).execute()
    assert with_key(api, key).status_code == 401


def test_nobody_makes_a_key_stronger_than_themselves(api, admin):
    assert make(admin, role="operator").status_code == 403
    limited = make(admin, role="admin", scopes=["admin"]).json()["key"]
    body = {"name": "More", "role": "admin", "scopes": ["admin", "write"]}
    answer = api.post("/api/api-keys", json=body, headers={"X-Api-Key": limited})
    assert answer.status_code == 403
    assert "write" in answer.json()["detail"]


@pytest.mark.parametrize("role", ["rep", "manager"])
def test_only_administrators_deal_with_keys(team, sign_in, admin, role):
    client = sign_in(team, role)
    made = make(admin).json()
    answers = [
        make(client),
        client.get("/api/api-keys"),
        client.delete(f"/api/api-keys/{made['id']}"),
    ]
    assert [answer.status_code for answer in answers] == [403] * 3


def test_a_revoked_key_is_out_at_once(api, admin, team):
    made = make(admin).json()
    path = f"/api/api-keys/{made['id']}"
    assert admin.delete(path).status_code == 204
    refused = with_key(api, made["key"])
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    assert admin.delete(path).status_code == 204
    assert admin.get("/api/api-keys").json()["items"][0]["revoked_at"] is not None
    assert team.audited() == [("api_key.created", "user"), ("api_key.revoked", "user")]


def test_another_organisations_key_is_not_there(api, admin, other_team, sign_in):
    foreign = sign_in(other_team, "admin")
    made = make(admin).json()
    assert foreign.get("/api/api-keys").json()["items"] == []
    assert foreign.delete(f"/api/api-keys/{made['id']}").status_code == 404
    assert with_key(api, made["key"]).status_code == 200


def test_an_expired_key_is_refused(api, admin, team):
    later = (now() + timedelta(days=1)).isoformat()
    key = make(admin, expires_at=later).json()["key"]
    assert with_key(api, key).status_code == 200
    change_row(team, expires_at=now() - timedelta(seconds=1))
    assert with_key(api, key).status_code == 401


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes[0]"),
        ({"name": ""}, "name"),
        ({"role": "owner"}, "role"),
    ],
)
def test_what_does_not_fit_is_named(admin, fields, field):
    answer = make(admin, **fields)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_use_is_noted_at_most_once_a_minute(api, admin, team):
    key = make(admin).json()["key"]
    assert stored(team).last_used_at is None
    with_key(api, key)
    first = stored(team).last_used_at
    assert first is not None
    with_key(api, key)
    assert stored(team).last_used_at == first
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    change_row(team, last_used_at=long_ago)
    with_key(api, key)
    assert stored(team).last_used_at > long_ago


@pytest.mark.parametrize("key", ["cz_", "cz_00000000_x", "eyJhbGciOiJIUzI1NiJ9.e30.x", "x"])
def test_keys_that_never_were_are_refused(api, key):
    assert with_key(api, key).status_code == 401


def test_a_key_is_whoever_made_it(api, admin, team):
    key = make(admin).json()["key"]
    assert with_key(api, key, "/api/auth/me").json()["id"] == str(team.people["admin"])


def test_an_old_token_of_a_demoted_administrator_neither_makes_nor_ends_keys(admin, team, store):
    made = make(admin).json()
    store("admin", role="manager")
    refused = [make(admin, role="rep"), admin.delete(f"/api/api-keys/{made['id']}")]
    assert [answer.status_code for answer in refused] == [403, 403]
    assert "yours is manager" in refused[0].json()["detail"]
    store("admin", active=False)
    refused = [make(admin, role="rep"), admin.delete(f"/api/api-keys/{made['id']}")]
    assert [answer.status_code for answer in refused] == [401, 401]
    assert stored(team).revoked_at is None


def test_what_a_key_may_is_decided_by_its_maker_as_stored_now(team, store):
    key = Actor(
        team.people["admin"], team.org_id, Role.admin, api_key_id=uuid4(), scopes=frozenset("a")
    )
    store("admin", role="rep")
    with pytest.raises(Forbidden), unit_of_work(Scope.tenant(team.org_id)):
        users.create(key, email="x@example.com", full_name="X", role=Role.rep, password_hash=None)
    store("admin", active=False)
    with pytest.raises(Unauthenticated), unit_of_work(Scope.tenant(team.org_id)):
        api_keys.revoke(key, uuid4())


def test_a_key_makes_nobody_who_could_sign_in_without_its_limits(api, admin, team):
    key = {"X-Api-Key": make(admin, role="admin", scopes=["admin"]).json()["key"]}
    own, other = (f"/api/users/{team.people[role]}" for role in ("admin", "rep"))

    def new(role: str, **fields: object) -> dict[str, object]:
        return {"email": f"{uuid4()}@example.com", "full_name": "N", "role": role, **fields}

    change = {"password": "a long enough password"}
    attempts = {
        "POST /api/users": [new("rep", **change), new("manager"), new("admin"), new("admin")],
        f"PATCH {other}": [{"role": "manager"}, {"role": "admin", "active": True}],
        f"POST {other}/password": [change],
        f"POST {own}/password": [change, change | {"current_password": PASSWORD}],
    }
    for where, bodies in attempts.items():
        for body in bodies:
            answer = api.request(*where.split(), json=body, headers=key)
            assert answer.status_code == 403, where
            assert "API key" in answer.json()["detail"]
    assert team.audited() == [("api_key.created", "user")]
    assert api.post("/api/users", json=new("rep"), headers=key).status_code == 201
    assert api.patch(other, json={"full_name": "By Machine"}, headers=key).status_code == 200
    demoted = api.patch(f"/api/users/{team.people['manager']}", json={"role": "rep"}, headers=key)
    assert demoted.status_code == 200
