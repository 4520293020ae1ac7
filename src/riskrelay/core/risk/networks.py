"""An account's trusted networks: offices, VPN gateways, and the like."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

MAX_NETWORKS = 1_000  # specified
MAX_NETWORK_NAME_CHARACTERS = 100  # guessed: fits into a column of a table


class TrustedNetwork(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A network whose logins take no part in impossible travel: addresses, or an autonomous system.

    Attributes:
        cidr: such as 203.0.113.0/24, in its canonical form; None: *asn* is given.
        asn: the number of an autonomous system; None: *cidr* is given.
    """

    name: str
    cidr: str | None = None
    asn: int | None = None


class Networks:
    """Finds the trusted network of an address, with one lookup per prefix length, for any number of networks."""

    def __init__(self, trusted: Iterable[TrustedNetwork]) -> None:
        self._by_asn: dict[int, str] = {}
        self._by_prefix: dict[tuple[int, int], dict[int, str]] = {}
        for one in trusted:
            if one.asn is not None:
                self._by_asn.setdefault(one.asn, one.name)
            if one.cidr is not None:
                network = ip_network(one.cidr)
                shift = network.max_prefixlen - network.prefixlen
                names = self._by_prefix.setdefault((network.version, shift), {})
                names.setdefault(int(network.network_address) >> shift, one.name)
        self._shifts = sorted(self._by_prefix)  # the longest prefix of each version first

    def classify(self, ip: str | None, asn: int | None) -> str | None:
        """Return the name of the trusted network of an address. If several contain it, the longest prefix decides.

        Args:
            ip: None or not an address: only *asn* is used.

        Returns: the name; None: no trusted network contains the address.
        """
        address = _address(ip) if self._shifts else None
        if address is not None:
            for version, shift in self._shifts:
                if version == address.version:
                    name = self._by_prefix[version, shift].get(int(address) >> shift)
                    if name is not None:
                        return name
        return None if asn is None else self._by_asn.get(asn)


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


NO_NETWORKS = Networks(())


def canonical_network(text: str) -> str:
    """Return a network or an address in its canonical form.

    Raises: ValueError: it is neither, or covers every address.

    >>> canonical_network("203.0.113.7"), canonical_network("2001:DB8::/32")
    ('203.0.113.7/32', '2001:db8::/32')
    """
    try:
        network: IPv4Network | IPv6Network = ip_network(text)
    except ValueError:
        raise ValueError("must be a network such as 203.0.113.0/24 or 2001:db8::/32, without host bits") from None
    if network.prefixlen == 0:
        raise ValueError("must not cover every address: that would disable impossible travel")
    return str(network)
