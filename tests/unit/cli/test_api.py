"""What the client of the account API makes of its settings, and of a server that answers early."""

import socket
import threading
from collections.abc import Iterator

import pytest
import typer

from riskrelay.cli.api import Api, ApiError

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


def test_a_refusal_before_all_is_sent_is_what_is_said(hasty: HastyServer) -> None:
    """Not that the service does not answer; the next request takes another connection."""
    with Api("acme", hasty.url, "token") as api:
        for _ in range(2):
            with pytest.raises(ApiError, match="Authentication error"):
                api.call("POST", "/findings", b"x" * 16_000_000)
    assert len(hasty.heads) == 2
