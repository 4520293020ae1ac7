"""Taking a port, for oneself or for several processes."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from riskrelay.core.errors import Misconfigured


def require_free(host: str, port: int) -> None:
    """Refuse early and clearly: the server itself would fail after everything has started.

    Raises: Misconfigured.
    """
    try:
        socket.create_server((host, port), family=_family(host)).close()
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
