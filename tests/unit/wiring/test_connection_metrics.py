"""The metrics of client connections."""

from riskrelay.ports import StoreLoad
from riskrelay.telemetry.metrics import PrometheusMetrics
from riskrelay.web.server.admission import Admission
from riskrelay.web.server.limits import Limits
from riskrelay.wiring.gauges import show_connections


class _Idle:
    """A connection that carries no request."""

    def close_idle(self) -> None:
        return None


def test_open_refused_and_evicted_connections_are_counted_apart() -> None:
    """One open, two evicted, three refused."""
    metrics, admission = PrometheusMetrics(), Admission(Limits(connections=2, connections_per_address=2))
    show_connections(metrics, admission)
    first = admission.admit("192.0.2.1")
    second = admission.admit("192.0.2.2")
    assert first is not None
    assert second is not None
    for _ in range(3):
        assert admission.admit("192.0.2.3") is None
    for _ in range(2):
        idle = _Idle()
        admission.idle(idle, first)
        peer = admission.admit("192.0.2.3")
        assert peer is not None
        admission.release(None, peer)
        admission.busy(idle, first)
    admission.release(None, first)
    shown = metrics.own_exposition(
        StoreLoad(
            waiting=0,
            connections_in_use=0,
            connections=1,
            transactions=0,
            commits=0,
            disk_free_bytes=None,
            wal_bytes=None,
        )
    ).decode()
    lines = dict(line.split(" ") for line in shown.splitlines() if line.startswith("riskrelay_connections"))
    assert {name: float(value) for name, value in lines.items()} == {
        "riskrelay_connections_open": admission.open,
        "riskrelay_connections_refused_total": 3,
        "riskrelay_connections_evicted_total": 2,
    }
