"""Which connections are admitted, and which one has to go for another."""

from dataclasses import replace
from ipaddress import ip_network

from riskrelay.web.server.admission import Admission, Peer
from riskrelay.web.server.limits import Limits

FEW = replace(Limits(), connections=4, connections_per_address=2)


class Connection:
    """Leaves when it is told to, as a real one does."""

    def __init__(self, admission: Admission, host: str) -> None:
        self.admission = admission
        self.closed = False
        self.peer: Peer | None = admission.admit(host)
        if self.peer is not None:
            admission.idle(self, self.peer)

    def work(self) -> "Connection":
        assert self.peer is not None
        self.admission.busy(self, self.peer)
        return self

    def close_idle(self) -> None:
        assert self.peer is not None
        self.admission.release(self, self.peer)
        self.closed = True


def test_an_address_keeps_its_newest_idle_connections() -> None:
    """The connection that has been idle for the longest time makes room."""
    admission = Admission(FEW)
    old, new = Connection(admission, "192.0.2.1"), Connection(admission, "192.0.2.1")
    assert Connection(admission, "192.0.2.1").peer is not None
    assert (old.closed, new.closed, admission.open, admission.evicted) == (True, False, 2, 1)


def test_connections_in_work_are_never_closed_for_another() -> None:
    """An address all of whose connections carry a request gets no more; other addresses do."""
    admission = Admission(FEW)
    busy = [Connection(admission, "192.0.2.1").work() for _ in range(2)]
    assert Connection(admission, "192.0.2.1").peer is None
    assert Connection(admission, "192.0.2.2").peer is not None
    assert (any(c.closed for c in busy), admission.refused, admission.open) == (False, 1, 3)


def test_idle_connections_of_many_addresses_make_room_for_one_more() -> None:
    """At the limit of the port the connection idle for the longest time goes, whosever it is."""
    admission = Admission(FEW)
    first, *_ = [Connection(admission, f"192.0.2.{n}") for n in range(4)]
    assert Connection(admission, "198.51.100.1").peer is not None
    assert first.closed
    for n in range(4):
        assert admission.open == 4
        last = Connection(admission, f"203.0.113.{n}").work()
    assert last.peer is not None
    assert Connection(admission, "203.0.113.9").peer is None


def test_an_ipv6_network_counts_as_one_address_and_mapped_ipv4_as_ipv4() -> None:
    """A /64 belongs to one client; ::ffff:a.b.c.d is a.b.c.d."""
    admission = Admission(FEW)
    for host in ("2001:db8::1", "2001:db8::2", "::ffff:192.0.2.1", "192.0.2.1"):
        Connection(admission, host).work()
    assert Connection(admission, "2001:db8::3").peer is None
    assert Connection(admission, "192.0.2.1").peer is None
    assert admission.refused == 2


def test_a_trusted_proxy_is_limited_by_the_port_only() -> None:
    """Many clients share its address."""
    admission = Admission(FEW, [ip_network("10.0.0.0/8")])
    assert all(Connection(admission, "10.1.2.3").work().peer for _ in range(4))
    assert Connection(admission, "10.1.2.3").peer is None


def test_nothing_is_remembered_of_connections_that_have_ended() -> None:
    """Memory does not grow with the number of addresses seen."""
    admission = Admission(Limits())
    for n in range(1_000):
        Connection(admission, f"10.0.{n // 250}.{n % 250}").close_idle()
    assert (admission.open, admission._peers, len(admission._idle)) == (0, {}, 0)
