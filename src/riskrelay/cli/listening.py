"""Taking a port, for oneself or for several processes."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from riskrelay.core.errors import Misconfigured


def require_free(host: str, port: int) -> None:
    """Refuse early and clearly: the server itself would fail after everything has started.

    Raises: Misconfigured.
    """
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port whose last connections linger is free
        if probe.family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as the server itself
        try:
            # Never listen here: the kernel would complete a client's connection, and close() would reset it.
            probe.bind((host, port))
        except OSError as error:
            raise refusal(host, port, error) from error


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Reserve a port for the serving processes, without accepting connections.

    Yields:  the port; of 0, the one that the system chose.
    Raises:  Misconfigured.
    """
    require_free(host, port)
    with socket.socket(_family(host)) as reserving:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            reserving.setsockopt(socket.SOL_SOCKET, option, 1)
        try:
            reserving.bind((host, port))
        except OSError as error:
            raise refusal(host, port, error) from error
        yield reserving.getsockname()[1]


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def refusal(host: str, port: int, error: OSError) -> Misconfigured:
    """Return the error for a port that cannot be taken."""
    return Misconfigured(f"cannot listen on {host} port {port} ({error.strerror}); choose another port")
