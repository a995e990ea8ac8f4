"""Which machines may be asked: a name is resolved once, judged, and only the judged addresses are connected to."""

import ipaddress
import socket

from anyseek.errors import RefusedError, SourceError

__all__ = ["is_public", "resolve"]

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
SPECIAL = "192.0.0.0/24 192.88.99.0/24 64:ff9b:1::/48 100::/63 2001::/23 2001:db8::/32 3fff::/20 5f00::/16"
NOT_PUBLIC = tuple(map(ipaddress.ip_network, SPECIAL.split()))
"""Of IANA's special registries, what some version of Python's own list lacks, or makes exceptions of."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def resolve(host: str, port: int, name: str, private_addresses: bool) -> list[str]:
    """The addresses of a host, in the resolver's order.

    Args:
        host: name or number, without brackets.
        port: TCP port.
        name: the source, for messages.
        private_addresses: allow addresses that are not public.

    Raises:
        SourceError: no such host.
        RefusedError: one of its addresses is not public (one is enough: an honest host does not mix).
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceError(f"cannot load {name}: no address for host {host[:80]!r}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not private_addresses:
        for address in addresses:
            if not is_public(address):
                raise RefusedError(
                    f"{name}: its host leads to {address}, which is not a public address; "
                    "set MediaOptions.private_addresses if this is wanted"
                )
    return addresses


def is_public(text: str) -> bool:
    """False for private, loopback, link-local, shared (CGNAT), multicast, reserved and unspecified addresses.

    IPv6 forms that carry an IPv4 address (mapped, 6to4, NAT64) are judged by it; Teredo is refused.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(str(inner))
        if address.is_site_local:
            return False
    if any(address in network for network in NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside an IPv6 address."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
