import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr, TypeAdapter, ValidationError

from clozone.accounts.fields import Email, NewPassword
from clozone.accounts.passwords import (
    _NOBODYS_HASH,
    hash_password,
    needs_rehash,
    verify_password,
)


def test_a_hash_knows_its_password_only():
    kept = hash_password("correct horse battery")
    assert "correct" not in kept
    assert verify_password(kept, "correct horse battery")
    assert not verify_password(kept, "correct horse batterY")
    assert hash_password("correct horse battery") != kept


def test_the_same_letters_in_another_unicode_form_are_the_same_password():
    assert verify_password(hash_password("contraseñas largas"), "contrasen\u0303as largas")


def test_nobody_has_no_password_and_costs_as_much():
    assert not verify_password(None, "")
    assert not needs_rehash(_NOBODYS_HASH)


def test_a_broken_hash_fits_nothing():
    assert not verify_password("not a hash", "not a hash")


def test_a_hash_of_former_parameters_asks_for_a_new_one():
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse battery")
    assert needs_rehash(weak)
    assert verify_password(weak, "correct horse battery")
    assert not needs_rehash(hash_password("correct horse battery"))


@pytest.mark.parametrize("length, fits", [(11, False), (12, True), (200, True), (201, False)])
def test_passwords_have_bounds_and_say_so(length, fits):
    password = TypeAdapter(NewPassword)
    if fits:
        assert password.validate_python("x" * length) == SecretStr("x" * length)
        return
    with pytest.raises(ValidationError, match=r"a password has at (least 12|most 200) characters"):
        password.validate_python("x" * length)


def test_addresses_are_kept_in_one_spelling():
    assert TypeAdapter(Email).validate_python("  Rita.Rep@Example.COM ") == "rita.rep@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rita",
        "rita@",
        "@example.com",
        "rita@example",
        "a@b@c.d",
        "a b@c.de",
        "ä@c.de",
        "a@.",
        "a@b.c\n\x07d",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValidationError, match="not an e-mail address"):
        TypeAdapter(Email).validate_python(text)
