import pytest

from clozone.web.client_address import client_address, limit_group


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "trusted", "expected"),
    [
        ("10.0.0.1", [], 1, "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], 1, "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], 1, "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9"], 1, "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], 2, "203.0.113.9"),
        ("203.0.113.9", ["6.6.6.6"], 0, "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:51234"], 1, "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:443"], 1, "2001:db8::1"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], 1, "203.0.113.9"),
        ("10.0.0.1", ["not an address"], 1, "10.0.0.1"),
        ("", ["203.0.113.9"], 1, "203.0.113.9"),
        (None, [], 1, "unknown"),
    ],
)
def test_the_address_is_the_one_our_own_proxy_saw(peer, forwarded_for, trusted, expected):
    assert client_address(peer, forwarded_for, trusted) == expected


def test_ipv6_addresses_of_one_customer_are_counted_together():
    assert limit_group("2001:db8:0:ff00::1") == limit_group("2001:db8:0:ffff::2")
    assert limit_group("2001:db8:0:ff00::1") != limit_group("2001:db8:1:ff00::1")


def test_ipv4_addresses_are_counted_one_by_one():
    assert limit_group("203.0.113.9") == "203.0.113.9"
