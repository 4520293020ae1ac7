"""HTTP as bytes: for what no client library would send."""

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """An answer as it came.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The body of an answer of the account API, checked for its form (contract 1 to 3)."""
        assert self.headers.get("content-type") == "application/json", self
        envelope: dict[str, Any] = json.loads(self.body)
        assert set(envelope) - {"result_info"} == {"errors", "messages", "result", "success"}, self
        assert envelope["success"] is (self.status == 200), self
        assert bool(envelope["errors"]) is (self.status != 200), self
        return envelope

    @property
    def codes(self) -> set[int]:
        """The codes of its errors."""
        return {error["code"] for error in self.envelope["errors"]}

    @property
    def pointers(self) -> list[str]:
        """The places of its errors, in their order."""
        return [error["source"]["pointer"] for error in self.envelope["errors"]]


def exchange(port: int, request: bytes, *, head: bool = False, end: bool = False, seconds: float = 20) -> Answer | None:
    """Send *request* to a port of this machine and read one answer.

    Args:
        head: the request is a HEAD, whose answer has no body.
        end: say after the request that nothing more will come.

    Returns: None when the connection was closed without an answer.
    Raises: TimeoutError: neither came in time.
    """
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        try:
            connection.sendall(request)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has heard enough; its answer may be here all the same
        response = http.client.HTTPResponse(connection, method="HEAD" if head else "GET")
        try:
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
        except (http.client.HTTPException, ConnectionError):
            return None
        finally:
            response.close()


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A well-formed request, after whose answer the connection is closed.

    Args:
        headers: their names with underscores for hyphens; Content-Length is added when there is a body.
    """
    named = {"Host": "127.0.0.1", "Connection": "close", **{name.replace("_", "-"): v for name, v in headers.items()}}
    if body and "Transfer-Encoding" not in named:
        named.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
