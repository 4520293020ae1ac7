"""A receiver that answers 202 to everything at once, in a process of its own.

    python -m bench.sink PORT

`GET /count` answers how many SETs came; `GET /emails` answers when each came, by the subject's e-mail, and forgets
them.
"""

import asyncio
import json
import sys
import time
from base64 import urlsafe_b64decode
from typing import cast

import uvloop

_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class Sink(asyncio.Protocol):
    """Just enough HTTP to take what our own transmitter sends."""

    times: list[tuple[float, bytes]] = []  # noqa: RUF012  one book for all connections
    count = 0

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = 0
            if (at := head.find(b"content-length:")) >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._write(self._answer(head, body))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"post"):
            Sink.count += 1
            Sink.times.append((time.time(), body))
            return _ANSWER
        if head.startswith(b"get /emails"):
            times, Sink.times = Sink.times, []
            return _page(json.dumps({_email(body): at for at, body in times}).encode())
        return _page(str(Sink.count).encode())

    def _write(self, data: bytes) -> None:
        cast(asyncio.WriteTransport, self._transport).write(data)


def _email(token: bytes) -> str:
    claims: dict[str, dict[str, str]] = json.loads(urlsafe_b64decode(token.split(b".")[1] + b"=="))
    return claims["sub_id"]["email"]


def _page(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
