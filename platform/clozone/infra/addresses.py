"""Which network addresses are out on the internet, and which are somebody's inside."""

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Looks public to `ipaddress` on some Python versions, or is, and yet leads inside: protocol
# assignments (with Oracle's metadata service), 6to4 relays, Azure's host agent.
_NOT_OUTSIDE = tuple(
    ip_network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
)
# All that has been handed out of IPv6 so far. What a later Python calls private lies outside it,
# or is in the list of the one that runs.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_DOCUMENTATION = IPv6Network("3fff::/20")
_NAT64 = IPv6Network("64:ff9b::/96")


def parse_address(text: str) -> Address:
    """The address in `text`, as a resolver gives it; an IPv4-mapped one is the IPv4 it stands for.

    Raises ValueError when it is none.
    """
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of the networks."""
    return any(address in network for network in networks)


def is_outside(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether the address, and the one it wraps, is public or in an `allowed` network."""
    return all(within(one, allowed) or _is_public(one) for one in (address, *_carried_by(address)))


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or within(address, _NOT_OUTSIDE):
        return False
    if isinstance(address, IPv4Address):
        return True
    if address in _NAT64:
        return True
    return address in _GLOBAL_UNICAST and address not in _DOCUMENTATION


def _carried_by(address: Address) -> list[IPv4Address]:
    """IPv4 addresses that a gateway on the way would turn this one into."""
    if isinstance(address, IPv4Address):
        return []
    carried = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return [one for one in carried if one is not None]
