from uuid import uuid4

import pytest

from clozone.web.identity import Actor, Role


@pytest.mark.parametrize("least", list(Role))
def test_each_role_may_do_what_those_before_it_may(least):
    roles = list(Role)
    allowed = [role for role in roles if role.at_least(least)]
    assert allowed == roles[roles.index(least) :]


def test_scopes_limit_keys_and_not_people():
    person = Actor(uuid4(), uuid4(), Role.rep)
    key = Actor(None, uuid4(), Role.rep, api_key_id=uuid4(), scopes=frozenset({"read"}))
    assert person.may("write")
    assert key.may("read")
    assert not key.may("write")


def test_keys_and_people_are_counted_apart():
    user_id = uuid4()
    person = Actor(user_id, uuid4(), Role.rep)
    key = Actor(user_id, uuid4(), Role.rep, api_key_id=uuid4())
    assert person.client_key != key.client_key
