"""Looking whether a receiver can be reached: name, address rules, connection, TLS. No request is ever sent to it."""

import asyncio
import socket
import ssl

import aiohttp
from yarl import URL

from riskrelay.outbound.addresses import BlockedAddress, TargetRules
from riskrelay.outbound.failures import ConnectTimedOut, Progress, outcome_of_failure
from riskrelay.outbound.targets import read_target
from riskrelay.ssf.outcomes import Outcome

_SECONDS = 5.0  # chosen: whoever needs longer is no good receiver


class NetworkProbe:
    """Implements ports.Probe."""

    def __init__(self, rules: TargetRules) -> None:
        self._rules = rules

    async def reach(self, url: str) -> str | None:
        target = read_target(url, self._rules)
        if isinstance(target, Outcome):
            return _words(target)
        host = target.raw_host or ""
        progress = Progress(self._rules.trusts_host(host))
        try:
            async with asyncio.timeout(_SECONDS):
                await self._connect(target, host, progress)
        except TimeoutError:
            error = TimeoutError() if progress.is_resolving else ConnectTimedOut()
            return _words(outcome_of_failure(error, progress))
        except OSError as failure:
            return _words(outcome_of_failure(failure, progress))
        return None

    async def _connect(self, target: URL, host: str, progress: Progress) -> None:
        """Dial the first permitted address, as a push would.

        Raises: OSError.
        """
        progress.is_resolving = True
        found = await asyncio.get_running_loop().getaddrinfo(host, target.port, type=socket.SOCK_STREAM)
        progress.is_resolving = False
        addresses = [str(address[0]) for *_, address in found]
        permitted = [one for one in addresses if progress.host_is_trusted or self._rules.may_dial(one)]
        progress.blocked = len(addresses) - len(permitted)
        if not permitted:
            raise BlockedAddress
        progress.dialled = 1
        context = ssl.create_default_context() if target.scheme == "https" else None
        name = host if context is not None else None
        _, writer = await asyncio.open_connection(permitted[0], target.port, ssl=context, server_hostname=name)
        writer.close()

    async def fetch(self, url: str) -> bytes | str:
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
                body = await response.read()
                return body if response.status == 200 else f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return str(error) or type(error).__name__


def _words(outcome: Outcome) -> str:
    return f"{outcome.reason} ({outcome.detail.rstrip('.')})"
