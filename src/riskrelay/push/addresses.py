"""The addresses that may be dialled: public unicast addresses, and those that the operator allows.

Pure: nothing is resolved or dialled here. `dialling` checks exactly the address that it dials next, so that no name,
literal form or DNS rebinding can lead elsewhere (faults 30).
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from riskrelay.core.errors import Misconfigured

Address = IPv4Address | IPv6Address

# What `is_global` of some Python that we support lets through although no receiver can be there, and the cloud
# metadata services by name, whatever a registry or a Python version says of their ranges.
_DENIED_V4 = tuple(
    IPv4Network(text)
    for text in (
        "100.100.100.200/32",  # Alibaba Cloud metadata
        "168.63.129.16/32",  # Azure's platform service, in a public range
        "169.254.169.254/32",  # metadata of most clouds
        "192.0.0.0/24",  # RFC 6890; 192.0.0.192 is Oracle Cloud metadata
        "192.88.99.0/24",  # RFC 7526: withdrawn 6to4 relays
    )
)
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")  # RFC 4291 §2.4: all that IANA hands out
_DENIED_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # RFC 2928: protocol assignments
        "2001:db8::/32",  # RFC 3849: documentation
        "3fff::/20",  # RFC 9637: documentation
        "fd00:ec2::254/128",  # AWS metadata
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1

# Letters somewhere in the last label: `127.1`, `2130706433` and `0x7f.1` are addresses to a resolver, not names.
_HOST_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*(?!0x|[0-9]+$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_NUMERIC_HOST = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)


class BlockedAddress(OSError):
    """The address may not be dialled; no connection was opened.

    It does not contain the address, so that an account does not learn what internal names resolve to.
    """

    def __init__(self) -> None:
        super().__init__("the target is not a public address, and RISKRELAY_ALLOW_TARGETS does not list it")


class TargetRules:
    """The targets that the operator allows beyond public addresses over https.

    Args:
        allow_targets: networks (`10.0.0.0/8`), addresses (`::1`) and host names (`receiver.internal`), as
            RISKRELAY_ALLOW_TARGETS lists them; blank ones are skipped. A host name allows all its addresses.
        allow_http: whether plain http may be used.

    Raises: Misconfigured: an entry cannot be read.
    """

    def __init__(self, allow_targets: Sequence[str], allow_http: bool) -> None:
        self.allow_http = allow_http
        networks: list[IPv4Network | IPv6Network] = []
        hosts: set[str] = set()
        for entry in filter(None, map(str.strip, allow_targets)):
            target = _read_entry(entry)
            if isinstance(target, str):
                hosts.add(target)
            else:
                networks.append(target)
        self._networks = tuple(networks)
        self._hosts = frozenset(hosts)

    def trusts_host(self, host: str) -> bool:
        """Return whether the list contains *host*, so that each of its addresses may be dialled.

        Args:
            host: of a URL, in ASCII form; letter case and a final dot do not matter.
        """
        return _plain_name(host) in self._hosts

    def may_dial(self, address: Address | str) -> bool:
        """Return whether *address* is public or inside an allowed network.

        Args:
            address: as the system dials it. A text that is not a canonical address may not be dialled.

        Returns: for an IPv6 address that contains IPv4 ones (mapped, 6to4, NAT64, Teredo), whether all of these may be
            dialled, unless an allowed network contains the IPv6 address itself.
        Rule: faults 30.

        >>> rules = TargetRules(["10.0.0.0/8"], allow_http=False)
        >>> [rules.may_dial(a) for a in ("8.8.8.8", "10.1.2.3", "127.0.0.1", "::ffff:127.0.0.1", "127.1")]
        [True, True, False, False, False]
        """
        if isinstance(address, str):
            try:
                address = ip_address(address)
            except ValueError:
                return False
        if any(address in network for network in self._networks):
            return True
        carried = _carried(address)
        if carried:
            return all(self.may_dial(inner) for inner in carried)
        return is_public(address)


def is_public(address: Address) -> bool:
    """Return whether *address* is global unicast, not private, shared, link-local, loopback, documentation,
    multicast, reserved or a cloud's metadata service.

    Rule: faults 30; IANA special-purpose address registries.

    >>> is_public(ip_address("1.1.1.1")), is_public(ip_address("100.64.0.1")), is_public(ip_address("ff02::1"))
    (True, False, False)
    """
    if isinstance(address, IPv4Address):
        unicast = not (address.is_multicast or address.is_reserved)
        return unicast and address.is_global and not any(address in network for network in _DENIED_V4)
    plain = IPv6Address(int(address))  # without a zone: a zone never makes an address public
    unicast = plain in _GLOBAL_UNICAST_V6
    return unicast and plain.is_global and not any(plain in network for network in _DENIED_V6)


def is_disguised_address(host: str) -> bool:
    """Return whether a resolver would read *host* as an IPv4 address although it is not written as one.

    >>> [is_disguised_address(h) for h in ("2130706433", "0x7f.1", "0177.0.0.1", "127.1", "127.0.0.1", "7f.example")]
    [True, True, True, True, False, False]
    """
    if _NUMERIC_HOST.fullmatch(host) is None:
        return False
    try:
        IPv4Address(host)
    except ValueError:
        return True
    return False


def _carried(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that an IPv6 address leads to; may be empty."""
    if isinstance(address, IPv4Address):
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    plain = IPv6Address(int(address))
    if plain in _NAT64:
        return (IPv4Address(int(plain) & 0xFFFF_FFFF),)
    return ()


def _plain_name(host: str) -> str:
    return host.rstrip(".").lower()


def _read_entry(entry: str) -> IPv4Network | IPv6Network | str:
    """Return one entry: a network, or the host name in lower case without a final dot."""
    try:
        return ip_network(entry)
    except ValueError:
        name = _plain_name(entry)
    if _HOST_NAME.fullmatch(name):
        return name
    raise Misconfigured(
        f"RISKRELAY_ALLOW_TARGETS: {entry!r} is {_mistake(entry)}. Write networks such as 10.0.0.0/8, addresses such "
        "as 127.0.0.1 or ::1, or host names such as receiver.internal (in ASCII, without scheme and port), separated "
        "by commas."
    )


def _mistake(entry: str) -> str:
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        return "neither a network nor an address nor a host name"
    return f"an address inside a network (the network is {network})"
