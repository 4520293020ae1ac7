"""HTTP by aiohttp."""

import ssl
from collections.abc import Mapping
from typing import Protocol

import aiohttp
from yarl import URL

from riskrelay.client.errors import AnswerLost, UnexpectedAnswer, Unreachable
from riskrelay.client.requests import Response

MAX_ANSWER_BYTES = 256 * 1024 * 1024  # guessed: some million users at risk


class Transport(Protocol):
    """How requests are sent."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Response:
        """Send one request, once, and return the complete response.

        Raises:
            Unreachable: no connection; nothing was sent.
            AnswerLost: something was sent, and the response is incomplete.
        """

    async def close(self) -> None:
        """Close all connections."""


class HttpTransport:
    """Send requests over connections that stay open.

    Args:
        tls: which certificates are trusted; None: those of the operating system.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Response:
        """Send one request. Redirects are not followed: they would get the token."""
        session = self._opened()
        try:
            async with session.request(
                method,
                URL(url, encoded=True),
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
                allow_redirects=False,
            ) as response:
                answer = await _bounded(response)
                lower = {name.lower(): value for name, value in response.headers.items()}
                return Response(response.status, lower, answer)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"cannot connect to {_origin(url)}: {error}") from error
        except TimeoutError as error:
            raise AnswerLost(f"{_origin(url)} did not respond within {timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise AnswerLost(f"the connection to {_origin(url)} was closed without a complete response") from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        # Made at the first request, because aiohttp needs the running event loop.
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    pieces = bytearray()
    async for piece in response.content.iter_any():
        pieces += piece
        if len(pieces) > MAX_ANSWER_BYTES:
            raise UnexpectedAnswer(f"the response is larger than {MAX_ANSWER_BYTES:,} bytes")
    return bytes(pieces)


def _origin(url: str) -> str:
    return str(URL(url, encoded=True).origin())
