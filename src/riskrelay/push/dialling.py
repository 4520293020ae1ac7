"""Looking names up and making sockets: what both push clients dial with."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from riskrelay.push.addresses import BlockedAddress, TargetRules
from riskrelay.push.failures import Progress

RECEIVE_BUFFER_BYTES = 64 * 1024  # what a receiver may make us hold: answers are small
_RESOLVER_THREADS = 32  # guessed: each waits for one name, up to 10 s when its server is silent

Resolve = Callable[[str], Sequence[str]]
"""Host name to addresses, in a thread. Raises socket.gaierror."""

progress_of_task: ContextVar[Progress] = ContextVar("progress")  # no default: a dial outside a push fails


def look_up(host: str) -> list[str]:
    """The addresses of *host*, as the system's resolver says. Blocks.

    Raises: socket.gaierror.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(info[4][0]) for info in found]


def open_socket(info: aiohttp.AddrInfoType, rules: TargetRules, progress: Progress) -> socket.socket:
    """Judge the address that is dialled next, then make its socket.

    Raises: BlockedAddress.
    """
    family, kind, protocol, _, address = info
    if not (progress.host_is_trusted or rules.may_dial(str(address[0]))):
        progress.blocked += 1
        raise BlockedAddress
    progress.dialled += 1
    if progress.dialled_at is None:
        progress.dialled_at = time.monotonic()
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return opened


class ThreadResolver(AbstractResolver):
    """Asks a blocking resolver in threads of its own: when it hangs, nothing else waits for a thread."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")

    async def addresses(self, host: str, progress: Progress) -> list[str]:
        """The addresses of *host*, each once.

        Raises: socket.gaierror, and whatever the resolver raises.
        """
        progress.is_resolving, progress.asked_at = True, time.monotonic()
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, self._resolve, host)
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
        progress.is_resolving, progress.resolved_at = False, time.monotonic()
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        return list(dict.fromkeys(found))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family  # the connector asks for both
        return [_resolved(host, address, port) for address in await self.addresses(host, progress_of_task.get())]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
