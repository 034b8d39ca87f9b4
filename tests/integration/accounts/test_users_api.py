from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from tests.support.people import PASSWORD, SignIn, Team

ROLES = ("rep", "manager", "admin", "operator")


def new_user(role: str = "rep", **fields: object) -> dict[str, object]:
    return {"email": f"{uuid4()}@example.com", "full_name": "New Person", "role": role, **fields}


@pytest.fixture
def signed_in(team: Team, sign_in: SignIn):
    """A client of each role, the operator's too."""
    team.people["operator"] = team.add("operator")
    return {role: sign_in(team, role) for role in ROLES}


@pytest.mark.parametrize(
    "role, may",
    [
        ("rep", []),
        ("manager", ["rep"]),
        ("admin", ["rep", "manager", "admin"]),
        ("operator", ["rep", "manager", "admin", "operator"]),
    ],
)
def test_who_may_add_whom(signed_in, role, may):
    answers = {new: signed_in[role].post("/api/users", json=new_user(new)) for new in ROLES}
    assert [new for new in ROLES if answers[new].status_code == 201] == may
    assert all(answers[new].status_code == 403 for new in ROLES if new not in may)


def test_a_new_person_is_there_and_can_sign_in(api, team, sign_in):
    admin = sign_in(team, "admin")
    sent = new_user("manager", password="a long enough password", full_name="  Mara  Voss ")
    made = admin.post("/api/users", json=sent).json()
    assert (made["full_name"], made["org_id"], made["active"]) == (
        "Mara  Voss",
        str(team.org_id),
        True,
    )
    assert "password" not in str(made)
    assert admin.get(f"/api/users/{made['id']}").json() == made
    credentials = {"email": sent["email"], "password": "a long enough password"}
    assert api.post("/api/auth/login", json=credentials).status_code == 200
    assert team.audited() == [("user.created", "user")]


@pytest.mark.parametrize("same", [str, str.upper])
def test_an_address_is_used_once_in_all_organisations(team, other_team, sign_in, same):
    taken = same(other_team.email("rep"))
    answer = sign_in(team, "admin").post("/api/users", json=new_user(email=taken))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"email": "nowhere"}, "email"),
        ({"full_name": " "}, "full_name"),
        ({"role": "owner"}, "role"),
        ({"password": "short"}, "password"),
        ({"password": "nul\0nul\0nul\0"}, "password"),
        ({"org_id": str(uuid4())}, "org_id"),
    ],
)
def test_what_does_not_fit_is_named(team, sign_in, fields, field):
    answer = sign_in(team, "admin").post("/api/users", json=new_user(**fields))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert team.audited() == []


def test_a_rep_sees_only_themselves(team, sign_in):
    rep = sign_in(team, "rep")
    listed = rep.get("/api/users").json()
    assert [user["id"] for user in listed["items"]] == [str(team.people["rep"])]
    assert rep.get(f"/api/users/{team.people['rep']}").status_code == 200
    assert rep.get(f"/api/users/{team.people['manager']}").status_code == 404


def test_a_manager_sees_the_organisation_and_no_other(team, other_team, sign_in):
    listed = sign_in(team, "manager").get("/api/users").json()["items"]
    assert {user["id"] for user in listed} == {str(user_id) for user_id in team.people.values()}


def test_another_organisations_person_is_not_there(team, other_team, sign_in):
    admin, user_id = sign_in(team, "admin"), other_team.people["rep"]
    path = f"/api/users/{user_id}"
    answers = [
        admin.get(path),
        admin.patch(path, json={"full_name": "Taken"}),
        admin.patch(path, json={"active": False, "role": "admin"}),
        admin.post(f"{path}/password", json={"password": "a long enough password"}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    unchanged = other_team.profile("rep")
    assert (unchanged.full_name, unchanged.role, unchanged.active) == ("A Rep", "rep", True)


def test_pages_hold_everybody_once_newest_first(team, sign_in):
    for _ in range(4):
        team.add("rep")
    manager, seen, cursor = sign_in(team, "manager"), [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = manager.get("/api/users", params=query).json()
        assert len(page["items"]) <= 3
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 7 == len({user["id"] for user in seen})
    assert [u["created_at"] for u in seen] == sorted((u["created_at"] for u in seen), reverse=True)


def test_filters_narrow_the_list(team, sign_in):
    ada = team.add("rep", full_name="Ada 100%_Lovelace", email=f"zz{uuid4()}@example.com")
    gone = team.add("manager", full_name="Gone", active=False)
    manager = sign_in(team, "manager")

    def found(**query: object) -> set[str]:
        return {user["id"] for user in manager.get("/api/users", params=query).json()["items"]}

    assert found(search="ada") == {str(ada)}
    assert found(search="ada 100%_l") == {str(ada)}
    assert found(search="%") == set()
    assert found(search="zz") == {str(ada)}
    assert found(search="lovelace") == set()
    assert found(active="false") == {str(gone)}
    assert found(role="manager") == {str(gone), str(team.people["manager"])}
    assert found(role="manager", active="true") == {str(team.people["manager"])}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"cursor": "x"},
        {"role": "owner"},
        {"active": "perhaps"},
        {"sort": "name"},
    ],
)
def test_queries_that_do_not_fit_are_refused(team, sign_in, query):
    answer = sign_in(team, "manager").get("/api/users", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == next(iter(query))


@pytest.mark.parametrize(
    "role, target, change, status",
    [
        ("rep", "rep", {"full_name": "New Name"}, 200),
        ("rep", "rep", {"role": "manager"}, 403),
        ("rep", "rep", {"active": False}, 403),
        ("rep", "manager", {"full_name": "X"}, 404),
        ("manager", "rep", {"full_name": "X"}, 200),
        ("manager", "rep", {"active": False}, 200),
        ("manager", "rep", {"role": "manager"}, 403),
        ("manager", "manager", {"full_name": "X"}, 200),
        ("manager", "manager", {"role": "admin"}, 403),
        ("manager", "admin", {"full_name": "X"}, 403),
        ("admin", "manager", {"role": "rep"}, 200),
        ("admin", "rep", {"role": "admin"}, 200),
        ("admin", "rep", {"role": "operator"}, 403),
        ("admin", "operator", {"active": False}, 403),
        ("admin", "operator", {"role": "rep"}, 403),
        ("operator", "rep", {"role": "operator"}, 200),
        ("operator", "admin", {"role": "rep"}, 200),
    ],
)
def test_who_may_change_what(team, signed_in, role, target, change, status):
    before = team.profile(target)
    answer = signed_in[role].patch(f"/api/users/{team.people[target]}", json=change)
    assert answer.status_code == status
    after = team.profile(target)
    for name, value in change.items():
        assert getattr(after, name) == (value if status == 200 else getattr(before, name))


def test_a_manager_cannot_change_another_manager(team, sign_in):
    other = team.add("manager")
    answer = sign_in(team, "manager").patch(f"/api/users/{other}", json={"active": False})
    assert answer.status_code == 403


def test_one_administrator_always_stays(team, sign_in):
    admin = sign_in(team, "admin")
    path = f"/api/users/{team.people['admin']}"
    for change in ({"role": "manager"}, {"active": False}):
        answer = admin.patch(path, json=change)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    team.add("admin", active=False)
    assert admin.patch(path, json={"active": False}).status_code == 409
    team.add("admin")
    assert admin.patch(path, json={"active": False}).status_code == 200


def test_two_administrators_who_demote_each_other_at_once_do_not_both_succeed(team, sign_in):
    team.people["second"] = team.add("admin")
    pairs = [
        (sign_in(team, "admin"), team.people["second"]),
        (sign_in(team, team.people["second"], "admin"), team.people["admin"]),
    ]
    with ThreadPoolExecutor(2) as both:
        answers = both.map(lambda p: p[0].patch(f"/api/users/{p[1]}", json={"role": "rep"}), pairs)
    assert sorted(answer.status_code for answer in answers) == [200, 403]


def test_changes_are_audited_and_nothing_is_not_a_change(team, sign_in):
    admin, path = sign_in(team, "admin"), f"/api/users/{team.people['rep']}"
    same = admin.get(path).json()
    assert admin.patch(path, json={}).json() == same
    assert admin.patch(path, json={"role": "rep", "full_name": "A Rep"}).json() == same
    assert team.audited() == []
    admin.patch(path, json={"role": "manager"})
    admin.patch(path, json={"active": False})
    assert team.audited() == [("user.changed", "user"), ("user.deactivated", "user")]


@pytest.mark.parametrize("change", [{"full_name": None}, {"role": None}, {"active": None}])
def test_null_is_not_a_value(team, sign_in, change):
    path = f"/api/users/{team.people['rep']}"
    assert sign_in(team, "admin").patch(path, json=change).status_code == 422


def test_deactivating_ends_every_sign_in(api, team, sign_in):
    credentials = {"email": team.email("rep"), "password": PASSWORD}
    token = api.post("/api/auth/login", json=credentials).json()["refresh_token"]
    admin, path = sign_in(team, "admin"), f"/api/users/{team.people['rep']}"
    admin.patch(path, json={"active": False})
    admin.patch(path, json={"active": True})
    answer = api.post("/api/auth/refresh", json={"refresh_token": token})
    assert answer.status_code == 401
    assert api.post("/api/auth/login", json=credentials).status_code == 200


def test_a_password_set_ends_every_sign_in_and_is_the_new_one(api, team, sign_in):
    credentials = {"email": team.email("rep"), "password": PASSWORD}
    token = api.post("/api/auth/login", json=credentials).json()["refresh_token"]
    path = f"/api/users/{team.people['rep']}/password"
    change = {"password": "quite another one"}
    assert sign_in(team, "manager").post(path, json=change).status_code == 204
    assert api.post("/api/auth/refresh", json={"refresh_token": token}).status_code == 401
    assert api.post("/api/auth/login", json=credentials).status_code == 401
    credentials["password"] = "quite another one"
    assert api.post("/api/auth/login", json=credentials).status_code == 200
    assert team.audited() == [("user.password_set", "user")]


def test_ones_own_password_needs_the_current_one(team, sign_in):
    rep, path = sign_in(team, "rep"), f"/api/users/{team.people['rep']}/password"
    change = {"password": "quite another one"}
    assert rep.post(path, json=change).status_code == 403
    assert rep.post(path, json={**change, "current_password": "wrong"}).status_code == 403
    assert rep.post(path, json={**change, "current_password": PASSWORD}).status_code == 204


def test_passwords_of_others_follow_the_roles(team, sign_in):
    change = {"password": "quite another one"}

    def by(role: str, target: str) -> int:
        path = f"/api/users/{team.people[target]}/password"
        return sign_in(team, role).post(path, json=change).status_code

    assert (by("rep", "manager"), by("manager", "admin"), by("admin", "manager")) == (404, 403, 204)


@pytest.fixture
def stale(team: Team, sign_in: SignIn, store):
    """A client whose access token is older than what was done to its person."""

    def client(who: str, **meanwhile: object):
        signed_in = sign_in(team, who)
        store(who, **meanwhile)
        return signed_in

    return client


def writes(team: Team):
    """Every write to people, as (method, path, body)."""
    others = f"/api/users/{team.people['rep']}"
    return [
        ("POST", "/api/users", new_user("rep")),
        ("POST", "/api/users", new_user("admin", password="a long enough password")),
        ("PATCH", others, {"full_name": "Taken"}),
        ("PATCH", others, {"role": "admin"}),
        ("PATCH", others, {"active": False}),
        ("POST", f"{others}/password", {"password": "a long enough password"}),
    ]


def test_an_old_token_gives_no_demoted_administrator_the_old_rights(team, stale):
    client, own = stale("admin", role="rep"), f"/api/users/{team.people['admin']}"
    answers = [client.request(m, path, json=body) for m, path, body in writes(team)]
    assert {answer.status_code for answer in answers} == {403}
    assert {"yours is rep" in answer.json()["detail"] for answer in answers} == {True}
    again = client.patch(own, json={"role": "admin"})
    assert (again.status_code, team.profile("admin").role) == (403, "rep")
    assert team.audited() == []
    assert client.patch(own, json={"full_name": "Still Herself"}).status_code == 200


def test_an_old_token_gives_a_demoted_administrator_the_rights_of_the_new_role(team, stale):
    client = stale("admin", role="manager")
    assert client.post("/api/users", json=new_user("admin")).status_code == 403
    assert client.post("/api/users", json=new_user("rep")).status_code == 201


@pytest.mark.parametrize("role", ["admin", "manager", "rep"])
def test_an_old_token_lets_nobody_change_anything_who_was_deactivated(team, stale, role):
    client, own = stale(role, active=False), f"/api/users/{team.people[role]}"
    password = {"password": "quite another one", "current_password": PASSWORD}
    everything = [
        *(writes(team) if role != "rep" else []),
        ("PATCH", own, {"active": True}),
        ("PATCH", own, {"full_name": "Here Again"}),
        ("POST", f"{own}/password", password),
    ]
    before = team.profile(role)
    answers = [client.request(method, path, json=body) for method, path, body in everything]
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(401, "invalid_token")}
    after = team.profile(role)
    assert (after.active, after.full_name, after.password_hash) == (
        *(False, before.full_name),
        before.password_hash,
    )
    assert team.audited() == []


def test_a_promotion_reaches_an_old_token_only_with_the_next_one(team, stale):
    answer = stale("manager", role="admin").post("/api/users", json=new_user("admin"))
    assert answer.status_code == 403


def test_two_who_change_each_other_at_once_do_not_wait_for_each_other_for_ever(team, sign_in):
    team.people["second"] = team.add("admin")
    pairs = [
        (sign_in(team, "admin"), team.people["second"]),
        (sign_in(team, team.people["second"], "admin"), team.people["admin"]),
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda n: pairs[n % 2][0].patch(
                f"/api/users/{pairs[n % 2][1]}", json={"full_name": f"Name {n}"}
            ),
            range(24),
        )
    assert {answer.status_code for answer in answers} == {200}
