"""Count connections: in total, by address, and idle ones."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from riskrelay.web.client_address import Network, is_in, network_key, peer_address
from riskrelay.web.server.limits import Limits


class Closable(Protocol):
    """A connection that can be closed when it carries no request."""

    def close_idle(self) -> None:
        """Close the connection now."""


class Peer:
    """The connections of one address.

    Attributes:
        key: the address, or its network for IPv6.
        limited: whether the limit per address applies to it.
    """

    def __init__(self, key: str, *, limited: bool) -> None:
        self.key = key
        self.limited = limited
        self.open = 0
        self.idle: OrderedDict[Closable, None] = OrderedDict()


class Admission:
    """Admits connections to a port.

    At a limit a new connection takes the place of the one that has carried no request for the longest time: a client
    that keeps connections open without using them never keeps others out. If every connection carries a request, the
    new one is refused.

    Args:
        trusted_proxies: networks whose connections carry many clients, so that the limit per address does not apply.

    Attributes:
        refused: connections refused so far.
        evicted: idle connections closed for another so far.
    """

    def __init__(self, limits: Limits, trusted_proxies: Sequence[Network] = ()) -> None:
        self.limits = limits
        self.refused = 0
        self.evicted = 0
        self._trusted = trusted_proxies
        self._open = 0
        self._peers: dict[str, Peer] = {}
        self._idle: OrderedDict[Closable, Peer] = OrderedDict()

    @property
    def open(self) -> int:
        """Connections open now."""
        return self._open

    def admit(self, host: str | None) -> Peer | None:
        """Count a new connection.

        Args:
            host: the client's address, without the port.

        Returns: the peer for `release`; None: refused.
        """
        peer = self._peer(host)
        if peer.limited and peer.open >= self.limits.connections_per_address and not self._evict(peer.idle):
            self.refused += 1
            return None
        if self._open >= self.limits.connections and not self._evict(self._idle):
            self.refused += 1
            return None
        self._peers[peer.key] = peer
        peer.open += 1
        self._open += 1
        return peer

    def release(self, connection: Closable | None, peer: Peer) -> None:
        """Remove a connection that has ended."""
        if connection is not None:
            self.busy(connection, peer)
        peer.open -= 1
        self._open -= 1
        if not peer.open:
            self._peers.pop(peer.key, None)

    def idle(self, connection: Closable, peer: Peer) -> None:
        """Note that *connection* carries no request from now on."""
        self._idle[connection] = peer
        peer.idle[connection] = None

    def busy(self, connection: Closable, peer: Peer) -> None:
        """Note that *connection* carries a request."""
        self._idle.pop(connection, None)
        peer.idle.pop(connection, None)

    def _peer(self, host: str | None) -> Peer:
        address = None if host is None else peer_address(host)
        key = "unknown" if address is None else network_key(address)
        known = self._peers.get(key)
        if known is not None:
            return known
        return Peer(key, limited=address is None or not is_in(address, self._trusted))

    def _evict(self, idle: OrderedDict[Closable, None] | OrderedDict[Closable, Peer]) -> bool:
        """Close the connection of *idle* that has been there for the longest time, if there is one."""
        if not idle:
            return False
        self.evicted += 1
        next(iter(idle)).close_idle()
        return True
