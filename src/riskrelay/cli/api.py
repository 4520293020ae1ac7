"""The client of the account API that commands use. It imports little: a command is over in a moment."""

import inspect
import os
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from http.client import BadStatusLine, HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from threading import Thread
from types import TracebackType
from typing import Annotated, Any, NoReturn, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import typer
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

from riskrelay.cli.answers import ServiceNotes, envelope_of, errors_of
from riskrelay.cli.completing import complete_account
from riskrelay.cli.hints import in_commands
from riskrelay.cli.output import fail

T = TypeVar("T")

_TIMEOUT_SECONDS = 10.0  # chosen: far above what a service that works needs, short enough for a person to wait
_MAX_ANSWER_BYTES = 256 * 1024 * 1024  # guessed: some million users at risk

_timeout = ContextVar("_timeout", default=_TIMEOUT_SECONDS)

AccountOption = Annotated[
    str,
    typer.Option("--account", envvar="RISKRELAY_ACCOUNT", autocompletion=complete_account, help="The account's id."),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, max=86_400, help="Seconds to wait for each response of the service.")
]


def use_timeout(seconds: float | None) -> None:
    """Wait *seconds* for each response from now on; None: as long as before."""
    if seconds is not None:
        _timeout.set(seconds)


def calls_service(seconds: float = _TIMEOUT_SECONDS) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command that calls the service: give it the option `--timeout`, with *seconds* as the default."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        option = inspect.Parameter("timeout", inspect.Parameter.KEYWORD_ONLY, default=seconds, annotation=TimeoutOption)

        @wraps(command)
        def run(*, timeout: float, **given: Any) -> None:
            _timeout.set(timeout)
            command(**given)

        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
        run.__annotations__ = {**command.__annotations__, "timeout": TimeoutOption}
        return run

    return decorate


def all_call_service(app: typer.Typer) -> typer.Typer:
    """Give each command of *app* the option `--timeout`, unless it has one."""
    for command in app.registered_commands:
        if command.callback is not None and "timeout" not in inspect.signature(command.callback).parameters:
            command.callback = calls_service()(command.callback)
    return app


class ApiError(Exception):
    """The service refused a request.

    Attributes:
        errors: as the envelope has them; empty: the answer was no envelope.
        sentences: what the service said, one for each error.
    """

    def __init__(self, status: int, errors: list[dict[str, Any]]) -> None:
        self.sentences = [_sentence(error) for error in errors] or [f"the service returned HTTP {status}"]
        super().__init__("; ".join(self.sentences))
        self.status = status
        self.errors = errors

    def is_about(self, pointer: str) -> bool:
        """Return whether the service refused the member at *pointer*."""
        return any(error.get("source") == {"pointer": pointer} for error in self.errors)


class _TryAgain(Exception):
    """The service may answer in a moment.

    Args:
        error: what to say when it does not.
        after_seconds: as long as the service asked for.
    """

    def __init__(self, error: ApiError | OSError | HTTPException, after_seconds: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_seconds = after_seconds


class Api:
    """The account API.

    Args:
        account_id: paths are below this account's prefix; None: they are whole.
        url: default: RISKRELAY_URL.
        token: default: RISKRELAY_TOKEN.
        timeout_seconds: for each answer; default: the command's `--timeout`.
    """

    def __init__(
        self,
        account_id: str | None,
        url: str | None = None,
        token: str | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        self._base = (url or os.environ.get("RISKRELAY_URL", "http://127.0.0.1:8700")).rstrip("/")
        token = token or os.environ.get("RISKRELAY_TOKEN")
        if not token:
            fail("RISKRELAY_TOKEN is not set. To create a token, run: riskrelay token create ACCOUNT_ID")
        if not (token.isascii() and token.isprintable()):
            fail("RISKRELAY_TOKEN contains invalid characters; copy the token again, without quotation marks")
        self._timeout_seconds = timeout_seconds or _timeout.get()
        self._connection = _connection(self._base, self._timeout_seconds)
        account = "" if account_id is None else f"/accounts/{quote(account_id, safe='')}/zt_risk_scoring"
        self._prefix = quote(urlsplit(self._base).path, safe="/%") + account
        self._token = token
        self._has_answered = False
        self._is_closed = False
        self._socket: socket.socket | None = None
        self._last_refusal: ApiError | None = None
        self._notes = ServiceNotes()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        self._connection.close()
        self._notes.show()

    def call(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
        """Send one request and wait for its answer, at most as long as the timeout.

        A service that has answered before, or that answers 429 or 5xx, is asked again within that time. One that does
        not listen is reported at once.

        Args:
            body: bytes as they are, anything else as JSON.

        Returns: the envelope's `result`.
        Raises:  ApiError: the service refused.
        """
        return self._exchange(method, path, body, content_type)["result"]

    def newest(self, path: str, query: dict[str, str], limit: int) -> list[Any]:
        """Return the first *limit* items of a list with cursor pages, newest first.

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
            retry=retry_if_exception_type(_TryAgain),
            stop=stop_before_delay(self._timeout_seconds),
            wait=_wait,
            reraise=True,
        )
        try:
            envelope: dict[str, Any] = _within(
                self._timeout_seconds, lambda: retrying(self._once, method, path, data, content_type=content_type)
            )
        except TimeoutError:
            self._give_up()
            if self._last_refusal is not None:
                raise self._last_refusal from None
            fail(
                f"{self._base} did not respond within {self._timeout_seconds:g} s",
                f"Check the service: curl {self._base}/healthz. To wait longer, use --timeout.",
            )
        except _TryAgain as last:
            if isinstance(last.error, ApiError):
                raise last.error from None
            self._fail_unreachable(last.error)
        self._notes.add(envelope.get("messages"))
        return envelope

    def _once(self, method: str, path: str, data: bytes | None, content_type: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type}
        is_sent = False
        connection = self._connection
        try:
            if connection.sock is None:
                connection.connect()
            self._socket = connection.sock
            with suppress(BrokenPipeError, ConnectionResetError):  # a refusal may arrive before the whole body is sent
                connection.request(method, self._prefix + path, data, headers)
                is_sent = True
            response = connection.getresponse()
            answer = response.read(_MAX_ANSWER_BYTES)
            if response.length:  # a bounded read reports no answer that ends too early
                raise IncompleteRead(answer, response.length)
        except TimeoutError:
            connection.close()
            raise
        except (OSError, HTTPException) as error:
            connection.close()  # the next request dials again
            if self._is_closed:  # the response is no longer awaited
                raise
            if self._has_answered:  # it is restarting, or has closed an idle connection
                raise _TryAgain(error) from error
            self._fail_unreachable(error)
        if not is_sent:
            connection.close()
        self._has_answered = True
        refusal = ApiError(response.status, errors_of(answer))
        if response.status == 429 or response.status >= 500:
            self._last_refusal = refusal
            wait = response.headers.get("Retry-After", "")
            raise _TryAgain(refusal, float(wait) if wait.isdecimal() else None)
        envelope = envelope_of(answer)
        if envelope is None:
            fail(
                f"{self._base} returned HTTP {response.status}, but the response is not from riskrelay",
                "Set RISKRELAY_URL to the address of `riskrelay serve`.",
            )
        if not envelope["success"]:
            raise refusal
        return envelope

    def _give_up(self) -> None:
        """End the request that a thread still waits for: to close its connection would wait for its read."""
        self._is_closed = True
        self._connection = _connection(self._base, self._timeout_seconds)
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _fail_unreachable(self, error: OSError | HTTPException) -> NoReturn:
        fail(
            f"cannot reach {self._base}: {_in_words(error)}",
            "Start `riskrelay serve`, or set RISKRELAY_URL to the address where it runs.",
        )


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Run *work* in a thread and give up waiting for it after *seconds*: neither looking a name up nor an answer that
    comes byte by byte ends by itself.

    Raises: TimeoutError; what *work* raises.
    """
    outcome = Future[T]()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001  it is raised where the outcome is awaited
            outcome.set_exception(error)

    Thread(target=run, daemon=True).start()
    return outcome.result(seconds)


def _in_words(error: OSError | HTTPException) -> str:
    """What went wrong between here and the service."""
    match error:
        case socket.gaierror():
            return "host name not found"
        case ConnectionRefusedError():
            return "connection refused"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return "the server does not use HTTPS"
        case ConnectionResetError() | BrokenPipeError() | BadStatusLine() | IncompleteRead():
            return "the connection was closed without an HTTP response"
        case OSError() if error.strerror:
            return error.strerror.lower()
    return str(error) or type(error).__name__


def _connection(url: str, timeout_seconds: float) -> HTTPConnection:
    kinds: dict[str, type[HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}
    try:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError
        return kinds[parts.scheme](parts.netloc, timeout=timeout_seconds)
    except (KeyError, ValueError, HTTPException):
        fail(f"RISKRELAY_URL must be like http://127.0.0.1:8700, not {url}")


def _wait(state: RetryCallState) -> float:
    """Wait as long as the service asked for, or a growing random while."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.after_seconds if isinstance(error, _TryAgain) else None
    return asked if asked is not None else wait_random_exponential(multiplier=0.2, max=5)(state)


def _sentence(error: dict[str, Any]) -> str:
    source = error.get("source")
    where = source.get("pointer", "") if isinstance(source, dict) else ""
    return f"{in_commands(str(error.get('message')))}{f' (at {where})' if where else ''} [{error.get('code')}]"


def with_api(account_id: str | None, work: Callable[[Api], T]) -> T:
    """Run *work* with a client; a refusal ends the command with its message."""
    with Api(account_id) as api:
        try:
            return work(api)
        except ApiError as error:
            fail(*error.sentences)
