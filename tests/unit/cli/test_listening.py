"""Taking a port."""

import socket
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from riskrelay.bench.processes import free_port
from riskrelay.cli.listening import require_free, reserved
from riskrelay.core.errors import Misconfigured


def has_ipv6() -> bool:
    """Whether this machine has it, and not only this Python."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


LOOPBACKS = ["127.0.0.1", pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6"))]


@pytest.mark.parametrize("host", LOOPBACKS)
def test_a_port_that_is_taken_is_refused(host: str) -> None:
    """By its number, with what to do; when it is free again it is not. Both with IPv4 and with IPv6."""
    with socket.create_server((host, 0), family=socket.getaddrinfo(host, None)[0][0]) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=f"port {port} .*choose another port"):
            require_free(host, port)
        with pytest.raises(Misconfigured, match=f"port {port} .*choose another port"), reserved(host, port):
            pytest.fail("it was taken")
    require_free(host, port)


@pytest.mark.parametrize("host", LOOPBACKS)
def test_a_port_that_is_kept_can_be_shared(host: str) -> None:
    """Several processes may listen on it at once, while nobody is given it by chance."""
    with reserved(host, 0) as port:
        family = socket.getaddrinfo(host, None)[0][0]
        with (
            socket.create_server((host, port), family=family, reuse_port=True) as one,
            socket.create_server((host, port), family=family, reuse_port=True) as other,
        ):
            assert one.getsockname()[1] == other.getsockname()[1] == port


def test_a_port_is_examined_without_accepting_a_connection() -> None:
    """A client that connects while the service starts is refused; a connection that is closed again would be reset."""
    port = free_port()  # one from the system could be the client's own, and the client would connect to itself
    examined = Event()

    def connections() -> int:
        accepted = 0
        while not examined.is_set():
            with socket.socket() as client:
                accepted += client.connect_ex(("127.0.0.1", port)) == 0
        return accepted

    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(connections)
        for _ in range(2_000):
            require_free("127.0.0.1", port)
        examined.set()
        assert counting.result() == 0
