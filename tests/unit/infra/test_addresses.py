"""Which addresses count as the internet."""

from ipaddress import ip_network

import pytest

from clozone.infra.addresses import is_outside, parse_address


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"],
)
def test_public_addresses_are_outside(address: str):
    assert is_outside(parse_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_everything_else_is_not(address: str):
    assert not is_outside(parse_address(address))


def test_allowed_networks_count_for_what_is_wrapped_too():
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    assert is_outside(parse_address("10.1.2.3"), allowed)
    assert is_outside(parse_address("::ffff:10.1.2.3"), allowed)
    assert is_outside(parse_address("64:ff9b::a01:203"), allowed)
    assert is_outside(parse_address("fd00::1"), allowed)
    assert not is_outside(parse_address("10.2.0.1"), allowed)
    assert not is_outside(parse_address("64:ff9b::a02:1"), allowed)
