"""Looking whether others can be reached. No request is ever sent to a receiver."""

import asyncio
from collections.abc import Callable, Sequence

from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.push.client import PushClient

_AT_ONCE = 32  # guessed: as many as one lane pushes
_SECONDS = 5.0  # chosen: as long as a push may take to connect


class NetworkProbe:
    """Implements ports.Probe.

    Args:
        open_client: makes a client as deliveries use it, so that a receiver is reached on the way that a push takes.
    """

    def __init__(self, open_client: Callable[[], PushClient]) -> None:
        self._open_client = open_client

    async def reach(self, targets: Sequence[tuple[str, OpenedTls | None]]) -> list[Outcome | None]:
        slots = asyncio.Semaphore(_AT_ONCE)
        async with self._open_client() as client:

            async def reached(url: str, tls: OpenedTls | None) -> Outcome | None:
                async with slots:
                    return await client.reach(url, tls)

            return await asyncio.gather(*(reached(url, tls) for url, tls in targets))

    async def fetch(self, url: str) -> bytes | str:
        import aiohttp  # a fifth of the imports of `serve`, and only `doctor` needs it

        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
                body = await response.read()
                return body if response.status == 200 else f"it answered HTTP {response.status}"
        except TimeoutError:
            return f"it did not answer within {_SECONDS:g} s"
        except aiohttp.ClientConnectorDNSError:
            return "host name not found"
        except aiohttp.ClientConnectorCertificateError as error:
            return f"its certificate is not trusted ({error.certificate_error})"
        except aiohttp.ClientConnectorError as error:
            return f"the connection failed ({error.strerror or error.os_error})"
        except aiohttp.ClientError as error:
            return f"the response is not valid HTTP ({error or type(error).__name__})"
