"""Where a request comes from: the peer, or behind a proxy that is trusted what the proxy says."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import Request

Network = IPv4Network | IPv6Network
_Address = IPv4Address | IPv6Address

_ELEMENT = re.compile(r'(?:[^,"]|"[^"]*")+')  # RFC 7239 §4; a comma within quotes parts nothing
_FOR = re.compile(r'(?:^|;)\s*for=(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)


def client_address(request: Request) -> str | None:
    """The address that the audit log names, without a port; None: not known.

    `X-Forwarded-For` and `Forwarded` count only when the peer is a trusted proxy, and in them only what trusted proxies
    have added: from the right to the first address that is none. Whoever is no trusted proxy changes nothing with them,
    and `X-Forwarded-Proto` and `-Host` change nothing at all: the public URL is a setting.

    Rule: RFC 7239 §5.2, §8.1.
    """
    peer = _read(request.client.host) if request.client is not None else None
    trusted: Sequence[Network] = request.app.state.trusted_proxies
    if peer is None or not _is_in(peer, trusted):
        return None if peer is None else str(peer)
    by_header = {
        _client_of(peer, hops, trusted)
        for hops in (_x_forwarded_for(request), _forwarded(request))
        if hops  # the header is there
    }
    # Two headers that disagree: the proxy has written one and passed on what a client wrote in the other.
    return str(by_header.pop() if len(by_header) == 1 else peer)


def _client_of(peer: _Address, hops: Sequence[_Address | None], trusted: Sequence[Network]) -> _Address:
    """The nearest address that is no trusted proxy's; what cannot be read ends the search."""
    nearest = peer
    for hop in reversed(hops):
        if hop is None or not _is_in(nearest, trusted):
            break
        nearest = hop
    return nearest


def _x_forwarded_for(request: Request) -> list[_Address | None]:
    return [_read(part) for line in request.headers.getlist("x-forwarded-for") for part in line.split(",")]


def _forwarded(request: Request) -> list[_Address | None]:
    return [_read(part) for line in request.headers.getlist("forwarded") for part in _nodes(line)]


def _nodes(line: str) -> Iterator[str]:
    """The `for` of each element. Rule: RFC 7239 §4."""
    for element in _ELEMENT.findall(line):
        found = _FOR.search(element)
        yield (found[1] or found[2] or "") if found else ""


def _read(text: str) -> _Address | None:
    """An address with or without a port; an IPv4 address in IPv6 clothing is an IPv4 address."""
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


def _is_in(address: _Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
