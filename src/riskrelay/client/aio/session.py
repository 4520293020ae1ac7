"""Sending requests of one account, again where that counts nothing twice."""

import os
from asyncio import sleep
from collections.abc import AsyncIterator, Callable
from random import random
from time import monotonic
from typing import TypeVar
from urllib.parse import quote, urlsplit

from riskrelay.client.aio.transport import Transport
from riskrelay.client.errors import AnswerLost, ClientError, NotFound, ServiceFailed
from riskrelay.client.requests import Answer, Request, answer_of
from riskrelay.client.retrying import wait_before_retry

T = TypeVar("T")


class Session:
    """One account of one service.

    Args:
        url: the service's address; default: RISKRELAY_URL, or http://127.0.0.1:8700.
        token: default: RISKRELAY_TOKEN.
        account: the account's id; default: RISKRELAY_ACCOUNT, or default.
        timeout_seconds: for each attempt.
        deadline_seconds: for a call with all of its attempts and waits.

    Raises: ValueError: the address or the token has no valid form.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        url: str | None,
        token: str | None,
        account: str | None,
        timeout_seconds: float,
        deadline_seconds: float,
    ) -> None:
        self._transport = transport
        url = (url or os.environ.get("RISKRELAY_URL", "http://127.0.0.1:8700")).rstrip("/")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url must be like https://risk.example.com, not {url}")
        token = token or os.environ.get("RISKRELAY_TOKEN", "")
        if not token or not (token.isascii() and token.isprintable()):
            raise ValueError("token is missing or has invalid characters; `riskrelay token create` prints one")
        account = account or os.environ.get("RISKRELAY_ACCOUNT", "default")
        self._prefix = f"{url}/accounts/{quote(account, safe='')}/zt_risk_scoring"
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._deadline_seconds = deadline_seconds

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def result(self, request: Request[T]) -> T:
        """Send *request* and return its result; see `answer`."""
        return (await self.answer(request)).result

    async def answer(self, request: Request[T]) -> Answer[T]:
        """Send *request*, and send it again while that counts nothing twice and the deadline allows it.

        Raises:
            ApiError: the service refused it.
            Unreachable: no connection.
            AnswerLost: the service may have processed it.
            UnexpectedAnswer: the response is not from the account API.
        """
        ends_at = monotonic() + self._deadline_seconds
        attempt = 0
        may_be_done = False
        while True:
            attempt += 1
            try:
                return await self._once(request, attempt, ends_at - monotonic())
            except NotFound:
                if may_be_done and request.gone is not None:
                    return Answer(success=True, result=request.gone)
                raise
            except ClientError as error:
                may_be_done = may_be_done or isinstance(error, AnswerLost | ServiceFailed)
                wait = wait_before_retry(
                    error,
                    attempt=attempt,
                    is_repeatable=request.is_repeatable,
                    seconds_left=ends_at - monotonic(),
                    share=random(),  # noqa: S311  spreads retries, and protects nothing
                )
                if wait is None:
                    raise
            await sleep(wait)

    async def by_cursor(self, request_of: Callable[[str | None], Request[list[T]]]) -> AsyncIterator[T]:
        """Iterate over a list with cursors, one page at a time.

        Args:
            request_of: the request for the page at a cursor; None: the first one.
        """
        cursor = None
        while True:
            page = await self.answer(request_of(cursor))
            for item in page.result:
                yield item
            cursor = page.result_info.cursor
            if cursor is None:
                return

    async def _once(self, request: Request[T], attempt: int, seconds_left: float) -> Answer[T]:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": request.content_type,
            "Accept": "application/json",
            "X-Stainless-Retry-Count": str(attempt - 1),  # contract 8: a repeated create is recognized by it
        }
        seconds = max(min(self._timeout_seconds, seconds_left), 0.001)
        url = self._prefix + request.path
        return answer_of(request, await self._transport.send(request.method, url, headers, request.body, seconds))
