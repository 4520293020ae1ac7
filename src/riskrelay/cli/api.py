"""The client of the account API that commands use. It imports little: a command is over in a moment."""

import os
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from types import TracebackType
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import typer
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from riskrelay.cli.output import fail

T = TypeVar("T")

_TIMEOUT_SECONDS = 60
_PATIENCE_SECONDS = 60  # how long a command goes on trying before it gives up

AccountOption = Annotated[str, typer.Option("--account", envvar="RISKRELAY_ACCOUNT", help="The account's id.")]


class ApiError(Exception):
    """The API refused a request."""

    def __init__(self, status: int, errors: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(_sentence(error) for error in errors) or f"HTTP {status}")
        self.status = status
        self.errors = errors


class _Busy(Exception):
    """Try again: no answer, or 429, or 5xx."""

    def __init__(self, reason: str, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


class Api:
    """The account API.

    Args:
        account_id: paths are below this account's prefix; None: they are whole.
        url: default: RISKRELAY_URL.
        token: default: RISKRELAY_TOKEN.
    """

    def __init__(self, account_id: str | None, url: str | None = None, token: str | None = None) -> None:
        self._base = (url or os.environ.get("RISKRELAY_URL", "http://127.0.0.1:8700")).rstrip("/")
        token = token or os.environ.get("RISKRELAY_TOKEN")
        if not token:
            fail("RISKRELAY_TOKEN is not set; `riskrelay init` or `riskrelay token create` prints one")
        if not (token.isascii() and token.isprintable()):
            fail("RISKRELAY_TOKEN has characters that no token has; copy it again, without quotation marks")
        self._connection = _connection(self._base)
        account = "" if account_id is None else f"/accounts/{quote(account_id, safe='')}/zt_risk_scoring"
        self._prefix = quote(urlsplit(self._base).path, safe="/%") + account
        self._token = token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def call(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
        """Send one request, again and again while the service cannot answer, for at most a minute.

        Args:
            body: bytes as they are, anything else as JSON.

        Returns: the envelope's `result`.
        Raises:  ApiError: the service refused.
        """
        return self._exchange(method, path, body, content_type)["result"]

    def newest(self, path: str, query: dict[str, str], limit: int) -> list[Any]:
        """The first *limit* items of a list that comes in pages with cursors, newest first.

        Raises: ApiError: the service refused.
        """
        items: list[Any] = []
        following: dict[str, str] = {}
        while len(items) < limit:
            envelope = self._exchange("GET", f"{path}?{urlencode({**query, **following})}")
            items += envelope["result"]
            if envelope["result_info"]["cursor"] is None:
                break
            following = {"cursor": envelope["result_info"]["cursor"]}
        return items[:limit]

    def _exchange(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        retrying = Retrying(
            retry=retry_if_exception_type(_Busy),
            stop=stop_after_delay(_PATIENCE_SECONDS),
            wait=_wait,
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    envelope = self._once(method, path, data, content_type)
        except _Busy as error:
            fail(f"{self._base} does not answer ({error}); is `riskrelay serve` running, and RISKRELAY_URL right?")
        return envelope

    def _once(self, method: str, path: str, data: bytes | None, content_type: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        is_sent = False
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # a refusal may come before all of a body is sent
                self._connection.request(method, self._prefix + path, data, headers)
                is_sent = True
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, HTTPException) as error:
            self._connection.close()  # the next request dials again
            raise _Busy(str(error) or type(error).__name__) from error
        if not is_sent:
            self._connection.close()
        if response.status == 429 or response.status >= 500:
            wait = response.headers.get("Retry-After", "")
            raise _Busy(f"HTTP {response.status}", float(wait) if wait.isdigit() else None)
        try:
            envelope: dict[str, Any] = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            fail(f"{self._base} answered HTTP {response.status} without JSON; is RISKRELAY_URL right?")
        if not envelope.get("success"):
            raise ApiError(response.status, envelope.get("errors", []))
        return envelope


def _connection(url: str) -> HTTPConnection:
    kinds: dict[str, type[HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}
    try:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError
        return kinds[parts.scheme](parts.netloc, timeout=_TIMEOUT_SECONDS)
    except (KeyError, ValueError, HTTPException):
        fail(f"RISKRELAY_URL must be like http://127.0.0.1:8700, not {url}")


def _wait(state: RetryCallState) -> float:
    """As long as the service asked for, or a growing random while."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.after_seconds if isinstance(error, _Busy) else None
    return asked if asked is not None else wait_random_exponential(multiplier=0.2, max=5)(state)


def _sentence(error: dict[str, Any]) -> str:
    where = error.get("source", {}).get("pointer", "")
    return f"{error['message']}{f' (at {where})' if where else ''} [{error['code']}]"


def with_api(account_id: str | None, work: Callable[[Api], T]) -> T:
    """Run *work* with a client; a refusal ends the command with its message."""
    with Api(account_id) as api:
        try:
            return work(api)
        except ApiError as error:
            fail(str(error))
