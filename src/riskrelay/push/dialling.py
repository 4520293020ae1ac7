"""Resolve names, check their addresses, and connect sockets."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import aiohappyeyeballs

from riskrelay.push.addresses import BlockedAddress, TargetRules
from riskrelay.push.failures import Progress

RECEIVE_BUFFER_BYTES = 64 * 1024  # what a receiver may make us hold: answers are small
_RESOLVER_THREADS = 32  # guessed: each waits for one name, up to 10 s when its server is silent
_NEXT_ADDRESS_AFTER_SECONDS = 0.25  # RFC 8305 §5

AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]

Resolve = Callable[[str], Sequence[str]]
"""Host name to addresses, in a thread. Raises socket.gaierror."""


def look_up(host: str) -> list[str]:
    """Return the addresses of *host*, as the system's resolver says. Blocks.

    Raises: socket.gaierror.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(info[4][0]) for info in found]


class Dialler:
    """Connects to receivers at permitted addresses only. Close it.

    Args:
        rules: the addresses that may be dialled.
        resolve: called for each new connection, in threads of its own, so that a resolver that hangs blocks no other
            thread. Nothing is cached.
    """

    def __init__(self, rules: TargetRules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")

    async def permitted(self, host: str, progress: Progress) -> list[str]:
        """Return the addresses of a receiver that may be dialled, each once, in the resolver's order.

        Raises:
            BlockedAddress: none of its addresses may be dialled.
            socket.gaierror, and the errors of the resolver.
        Rule: faults 30. Only a returned address is dialled, so a name cannot lead elsewhere afterwards.
        """
        found = await self.addresses(host, progress)
        permitted = found if self._rules.trusts_host(host) else [one for one in found if self._rules.may_dial(one)]
        if not permitted:
            raise BlockedAddress
        return permitted

    async def addresses(self, host: str, progress: Progress) -> list[str]:
        """Return every address of *host*, each once; for a literal address, that address.

        Raises: socket.gaierror, and the errors of the resolver.
        """
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        progress.is_resolving, progress.asked_at = True, time.monotonic()
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, self._resolve, host)
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
        progress.is_resolving, progress.resolved_at = False, time.monotonic()
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        return list(dict.fromkeys(found))

    async def dial(self, addresses: Sequence[str], port: int, progress: Progress) -> socket.socket:
        """Return a socket that is connected to the first of *addresses* that accepts a connection.

        Raises: OSError.
        """
        opened = await aiohappyeyeballs.start_connection(
            [_address_info(address, port) for address in addresses],
            happy_eyeballs_delay=_NEXT_ADDRESS_AFTER_SECONDS,
            interleave=1,
            loop=asyncio.get_running_loop(),
            socket_factory=lambda info: _open_socket(info, progress),
        )
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def close(self) -> None:
        """Refuse all further look-ups."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _open_socket(info: AddrInfo, progress: Progress) -> socket.socket:
    if progress.dialled_at is None:
        progress.dialled_at = time.monotonic()
    family, kind, protocol, _, _ = info
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return opened


def _address_info(address: str, port: int) -> AddrInfo:
    if ":" in address:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
