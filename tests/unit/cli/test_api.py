"""What the client of the account API makes of its settings, and of a server that answers early."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from riskrelay.cli.api import Api, ApiError, with_api

_REFUSAL = b'{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[],"result":null}'


class HastyServer:
    """Answers 401 when it has read the head of a request, and hangs up without reading its body.

    Attributes:
        heads: of the requests that came.
    """

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(1_024)
                self.heads.append(head.partition(b"\r\n\r\n")[0])
                connection.sendall(
                    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n%b" % (len(_REFUSAL), _REFUSAL)
                )
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(60)
                for _ in range(4):  # so that the answer is there before the connection is reset
                    connection.recv(65_536)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def hasty() -> Iterator[HastyServer]:
    """A server that refuses everything as early as it can."""
    server = HastyServer()
    yield server
    server.close()


@pytest.mark.parametrize("token", ["“secret”", "secret\n", "sec\tret"])
def test_a_token_that_was_pasted_with_something_else_is_refused(token: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is sent, without showing it."""
    with pytest.raises(typer.Exit):
        Api("acme", "http://127.0.0.1:1", token)
    said = capsys.readouterr().err
    assert "RISKRELAY_TOKEN" in said
    assert "sec" not in said.replace("RISKRELAY_TOKEN", "")


@pytest.mark.parametrize("url", ["http://", "127.0.0.1:8700", "ftp://127.0.0.1", "http://127.0.0.1:port", "http:///x"])
def test_an_address_without_scheme_or_host_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message shows one that is right."""
    with pytest.raises(typer.Exit):
        Api("acme", url, "token")
    assert "must be like http://127.0.0.1:8700" in capsys.readouterr().err


def test_a_base_path_is_quoted(hasty: HastyServer) -> None:
    """Spaces and letters beyond ASCII; what is quoted already stays as it is."""
    with Api("acme", f"{hasty.url}/at the%20café", "token") as api, pytest.raises(ApiError):
        api.call("GET", "/integrations")
    assert hasty.heads[0].startswith(
        b"GET /at%20the%20caf%C3%A9/accounts/acme/zt_risk_scoring/integrations HTTP/1.1\r\n"
    )


def test_a_refusal_before_the_whole_body_is_sent_is_reported(hasty: HastyServer) -> None:
    """Not that the service does not answer; the next request takes another connection."""
    with Api("acme", hasty.url, "token") as api:
        for _ in range(2):
            with pytest.raises(ApiError, match="Authentication error"):
                api.call("POST", "/findings", b"x" * 16_000_000)
    assert len(hasty.heads) == 2


class Scripted:
    """Answers each request with the next of *answers*, raw bytes or None for hanging up, the last one again and again.

    Attributes:
        requests: how many came.
    """

    def __init__(self, *answers: bytes | None, pause_seconds: float = 0) -> None:
        self.requests = 0
        self._answers = answers
        self._pause_seconds = pause_seconds
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = connection.recv(65_536)
                    if not piece:
                        return
                    head += piece
                answer = self._answers[min(self.requests, len(self._answers) - 1)]
                self.requests += 1
                if answer is None:
                    return
                try:
                    for start in range(0, len(answer), 20 if self._pause_seconds else len(answer)):
                        connection.sendall(answer[start : start + 20] if self._pause_seconds else answer)
                        time.sleep(self._pause_seconds)
                except OSError:  # the client has given up
                    return

    def close(self) -> None:
        self._listening.close()


def answer(status: int, body: Any, **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(content)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).replace("_", "-").encode() + content


def refusal(status: int, *sentences: str, **headers: str) -> bytes:
    errors = [{"code": 1_001, "message": text, "source": {"pointer": f"/{n}"}} for n, text in enumerate(sentences)]
    return answer(status, {"success": False, "errors": errors, "messages": [], "result": {}}, **headers)


FINE = answer(200, {"success": True, "errors": [], "messages": [], "result": [7]})


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Makes servers."""
    made: list[Scripted] = []

    def make(*answers: bytes | None, pause_seconds: float = 0) -> Scripted:
        made.append(Scripted(*answers, pause_seconds=pause_seconds))
        return made[-1]

    yield make
    for server in made:
        server.close()


def failure(url: str, capsys: pytest.CaptureFixture[str], timeout_seconds: float = 60) -> str:
    """What a command says that fails to get an answer."""
    with Api("acme", url, "token", timeout_seconds) as api, pytest.raises(typer.Exit) as ended:
        api.call("GET", "/integrations")
    assert ended.value.exit_code == 1
    return capsys.readouterr().err


def test_a_service_that_does_not_listen_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """With its URL and the next step; nothing is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    began = time.monotonic()
    said = failure(url, capsys, 600)
    assert time.monotonic() - began < 60
    assert f"cannot reach {url}: connection refused" in said
    assert "Start `riskrelay serve`, or set RISKRELAY_URL" in said


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ((None,), "connection was closed"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n\r\n",), "connection was closed without an HTTP response"),
        ((answer(200, b"<html>"),), "returned HTTP 200, but the response is not from riskrelay"),
        ((answer(404, b"<html>"),), "returned HTTP 404, but the response is not from riskrelay"),
        ((answer(200, []),), "is not from riskrelay"),
        ((answer(200, {"success": True}),), "is not from riskrelay"),
        ((answer(200, b'{"success": "yes", "result": 1}'),), "is not from riskrelay"),
        ((answer(200, b"[" * 100_000),), "is not from riskrelay"),
        ((answer(301, b"", Location="https://elsewhere.example"),), "returned HTTP 301"),
    ],
)
def test_an_answer_of_something_else_is_said_so(
    scripted: Callable[..., Scripted], capsys: pytest.CaptureFixture[str], answers: tuple[bytes | None], said: str
) -> None:
    """One request, and a sentence with the URL."""
    server = scripted(*answers)
    shown = failure(server.url, capsys)
    assert said in shown
    assert server.url in shown
    assert server.requests == 1


def test_a_slow_response_does_not_outlast_the_timeout(
    scripted: Callable[..., Scripted], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each piece comes well within it, all of them do not."""
    server = scripted(answer(200, {"success": True, "result": "x" * 2_000}), pause_seconds=0.2)
    assert "did not respond within 0.5 s" in failure(server.url, capsys, 0.5)


def test_a_busy_service_is_asked_again_and_then_explains_itself(scripted: Callable[..., Scripted]) -> None:
    """429 and 5xx within the timeout; what the service said last is what is said."""
    busy = scripted(refusal(503, "the disk is full"), refusal(429, "slow down"), FINE)
    with Api("acme", busy.url, "token") as api:
        assert api.call("GET", "/integrations") == [7]
    assert busy.requests == 3
    full = scripted(refusal(503, "the disk is full", Retry_After="60"))
    with Api("acme", full.url, "token") as api, pytest.raises(ApiError, match="the disk is full"):
        api.call("GET", "/integrations")
    assert full.requests == 1


def test_a_proxys_5xx_is_said_as_such(scripted: Callable[..., Scripted]) -> None:
    """It has no envelope, so the status is all there is."""
    server = scripted(answer(502, b"<html>Bad gateway", Retry_After="60"))
    with Api("acme", server.url, "token") as api, pytest.raises(ApiError, match="the service returned HTTP 502"):
        api.call("GET", "/integrations")


def test_a_service_that_has_answered_may_restart(scripted: Callable[..., Scripted]) -> None:
    """A connection that was closed meanwhile is dialled again."""
    server = scripted(FINE, None, None, FINE)
    with Api("acme", server.url, "token") as api:
        assert [api.call("GET", "/integrations") for _ in range(2)] == [[7], [7]]


def test_every_error_and_every_message_is_printed(
    scripted: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each error on a line of its own, with its place; messages of a success as notes on standard error."""
    monkeypatch.setenv("RISKRELAY_TOKEN", "token")
    notes = ["unknown member detail", {"code": 1, "message": "[/foo] \x1b[2J"}]
    server = scripted(
        refusal(400, "first is wrong", "second [/x] is wrong"),
        answer(200, {"success": True, "errors": [], "messages": notes, "result": 1}),
    )
    monkeypatch.setenv("RISKRELAY_URL", server.url)
    with pytest.raises(typer.Exit):
        with_api("acme", lambda api: api.call("POST", "/findings", {}))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["error: first is wrong (at /0) [1001]", "  second [/x] is wrong (at /1) [1001]"]
    with_api("acme", lambda api: api.call("POST", "/findings", {}))
    assert capsys.readouterr().err.splitlines() == ["note: unknown member detail", "note: [/foo] \\x1b[2J"]


@pytest.mark.parametrize(
    "errors", [None, "text", [1, "x"], [{}], [{"message": None, "code": None, "source": None}], {"a": 1}]
)
def test_errors_of_another_form_are_no_traceback(scripted: Callable[..., Scripted], errors: Any) -> None:
    """Whatever a server that is not ours calls an error."""
    server = scripted(answer(400, {"success": False, "errors": errors}))
    with Api("acme", server.url, "token") as api, pytest.raises(ApiError):
        api.call("GET", "/integrations")


def test_notes_are_counted_by_kind(
    scripted: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file with the same mistake in each line brings one line, however many requests it takes; at most ten kinds."""
    monkeypatch.setenv("RISKRELAY_TOKEN", "token")
    same = [f"detail of item {n}: was ignored" for n in range(100)]
    others = [f"member{n}: was ignored" for n in range(30)]
    envelope = {"success": True, "errors": [], "result": 1}
    server = scripted(
        *(
            answer(200, {**envelope, "messages": [{"message": note} for note in notes]})
            for notes in (same, same + others)
        )
    )
    monkeypatch.setenv("RISKRELAY_URL", server.url)

    def work(api: Api) -> None:
        for _ in range(2):
            api.call("POST", "/findings", [])

    with_api("acme", work)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "note: detail: was ignored (200 times)"
    assert len(lines) == 11
    assert lines[-1] == "note: 21 more notes"


@pytest.mark.parametrize("messages", [None, "text", 7, {"a": 1}, [None, 7, {"code": 1}]])
def test_notes_of_another_form_are_no_traceback(
    scripted: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch, messages: Any
) -> None:
    """Whatever a service of another version calls messages."""
    monkeypatch.setenv("RISKRELAY_TOKEN", "token")
    server = scripted(answer(200, {"success": True, "errors": [], "result": 1, "messages": messages}))
    monkeypatch.setenv("RISKRELAY_URL", server.url)
    assert with_api("acme", lambda api: api.call("GET", "/x")) == 1
