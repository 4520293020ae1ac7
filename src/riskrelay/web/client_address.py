"""The address of a request's client: the peer, or the address that a trusted proxy reports."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_ELEMENT = re.compile(r'(?:[^,"]|"[^"]*")+')  # RFC 7239 §4; a comma within quotes is no separator
_FOR = re.compile(r'(?:^|;)\s*for=(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)


def client_address(request: Request) -> str | None:
    """Return the client's address for the audit log, without a port; None: not known.

    `X-Forwarded-For` and `Forwarded` are used only if the peer is a trusted proxy, and only the parts that trusted
    proxies have added: from the right to the first other address. `X-Forwarded-Proto` and `-Host` are ignored, because
        the
    public URL is a setting.

    Rule: RFC 7239 §5.2, §8.1.
    """
    peer = peer_address(request.client.host) if request.client is not None else None
    trusted: Sequence[Network] = request.app.state.trusted_proxies
    if peer is None or not is_in(peer, trusted):
        return None if peer is None else str(peer)
    by_header = {
        _client_of(peer, hops, trusted)
        for hops in (_x_forwarded_for(request), _forwarded(request))
        if hops  # the header exists
    }
    # Two headers that differ: the proxy has written one, and passed on the client's other one.
    return str(by_header.pop() if len(by_header) == 1 else peer)


def _client_of(peer: Address, hops: Sequence[Address | None], trusted: Sequence[Network]) -> Address:
    """Return the nearest address that is not a trusted proxy's. An unreadable address ends the search."""
    nearest = peer
    for hop in reversed(hops):
        if hop is None or not is_in(nearest, trusted):
            break
        nearest = hop
    return nearest


def _x_forwarded_for(request: Request) -> list[Address | None]:
    return [read_address(part) for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]


def _forwarded(request: Request) -> list[Address | None]:
    return [read_address(part) for line in request.headers.getlist("forwarded") for part in _nodes(line)]


def _nodes(line: str) -> Iterator[str]:
    """Return the `for` of each element. Rule: RFC 7239 §4."""
    for element in _ELEMENT.findall(line):
        found = _FOR.search(element)
        yield (found[1] or found[2] or "") if found else ""


def read_address(text: str) -> Address | None:
    """Read an address with or without a port. An IPv4-mapped IPv6 address is returned as the IPv4 address."""
    text = text.strip()
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::\w+)?", text)
    with_port = re.fullmatch(r"([^:]+):\w+", text)
    host = bracketed[1] if bracketed else with_port[1] if with_port else text
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


peer_address = lru_cache(maxsize=1_024)(read_address)
"""`read_address` of a peer. A client sends many requests, and reading takes 10 µs."""


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Return whether one of *networks* contains *address*."""
    return any(address in network for network in networks)


@lru_cache(maxsize=1_024)
def network_key(address: Address) -> str:
    """Return the name under which a client is counted: an IPv4 address, or the /64 network of an IPv6 address.

    A single IPv6 client usually owns a whole /64 network (RFC 6177).

    >>> network_key(ip_address("2001:db8::1:2")), network_key(ip_address("192.0.2.7"))
    ('2001:db8::', '192.0.2.7')
    """
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)


def client_network(request: Request) -> str | None:
    """Return the `network_key` under which a request's client is counted; None: not known."""
    text = client_address(request)
    address = None if text is None else read_address(text)
    return None if address is None else network_key(address)
