"""The egress proxy: pushes are tunnelled through it (CONNECT) to addresses that were judged here."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import aiohttp
from yarl import URL

from riskrelay.push.addresses import BlockedAddress, TargetRules
from riskrelay.push.dialling import ThreadResolver
from riskrelay.push.failures import ConnectTimedOut, Progress
from riskrelay.push.targets import server_name


@dataclass(frozen=True, slots=True)
class Route:
    """How a request gets to its receiver through the proxy.

    Attributes:
        url: the receiver's, with the judged address in the place of its name: for this the proxy is asked.
        host: the Host header.
        server_name: whose certificate is expected, and what is sent as SNI.
    """

    url: URL
    host: str
    server_name: str


_HOSTS_KEPT = 4_096  # guessed: as many receivers are pushed to at one time


class EgressProxy:
    """Where everything goes through.

    Args:
        url: http or https, perhaps with a user name and a password, which are in no log.
    """

    def __init__(self, url: URL) -> None:
        self.url = url.with_user(None)
        self.headers: dict[str, str] = {}
        self._led_to: dict[str, str] = {}  # by host, the address at which it was reached last
        if url.user is not None:
            self.headers["Proxy-Authorization"] = aiohttp.encode_basic_auth(url.user, url.password or "")

    async def routes(
        self, url: URL, resolver: ThreadResolver, rules: TargetRules, progress: Progress, seconds: float
    ) -> list[Route]:
        """Look the receiver's name up and judge its addresses; from then on only the proxy is dialled.

        Returns: one for each address that may be reached, the one that was reached last before all others: tunnels to
            it are kept.
        Raises: BlockedAddress: no address may be dialled; ConnectTimedOut; what the resolver raises.
        Rule: faults 30.
        """
        host = url.raw_host or ""
        try:
            async with asyncio.timeout(seconds):
                found = await _addresses(host, resolver, progress)
        except TimeoutError as error:
            raise ConnectTimedOut("the resolver did not answer") from error
        allowed = [one for one in found if progress.host_is_trusted or rules.may_dial(one)]
        if not allowed:
            progress.blocked += 1
            raise BlockedAddress
        progress.host_is_trusted = progress.through_proxy = True
        name = server_name(host)
        allowed.sort(key=lambda address: address != self._led_to.get(name))
        return [Route(url.with_host(address), url.host_port_subcomponent or name, name) for address in allowed]

    def remember(self, route: Route) -> None:
        """Note that the receiver was reached so."""
        if len(self._led_to) >= _HOSTS_KEPT:
            self._led_to.clear()
        self._led_to[route.server_name] = route.url.raw_host or ""


def may_lead_elsewhere(error: Exception, progress: Progress) -> bool:
    """Whether the proxy, which did not get to one address, may get to another: it was reached, took our credentials and
    opened no tunnel."""
    if progress.connected_at is None or progress.has_tunnel or isinstance(error, aiohttp.ClientConnectorError):
        return False
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return error.status != 407
    return isinstance(error, aiohttp.ClientConnectionError)


async def _addresses(host: str, resolver: ThreadResolver, progress: Progress) -> Sequence[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        return await resolver.addresses(host, progress)
