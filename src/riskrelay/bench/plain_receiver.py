"""The receiver of the benchmark where no C compiler is: the same as receiver.c, slower.

python -m riskrelay.bench.plain_receiver [--keep] PORT
"""

import asyncio
import sys
import time
from typing import cast

import uvloop

_ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class PlainReceiver(asyncio.Protocol):
    """One connection; the counts belong to all.

    Args:
        arrivals: gets a line for each POST; None: arrivals are not recorded.
    """

    answered = 0

    def __init__(self, port: int, arrivals: list[bytes] | None) -> None:
        self._port = port
        self._arrivals = arrivals
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n") + 4) >= 4:
            _, found, rest = self._buffer[:end].lower().partition(b"\r\ncontent-length:")
            whole = end + (int(rest.split(b"\r\n", 1)[0]) if found else 0)
            if len(self._buffer) < whole:
                return
            self._transport.write(self._answer(self._buffer[:end], self._buffer[end:whole]))
            self._buffer = self._buffer[whole:]

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"POST"):
            PlainReceiver.answered += 1
            if self._arrivals is not None:
                self._arrivals.append(b"%d %d %b\n" % (time.monotonic_ns(), self._port, body))
            return _ACCEPTED
        page = b"%d" % PlainReceiver.answered
        if head.startswith(b"GET /arrivals"):
            page = b"".join(self._arrivals or [])
            (self._arrivals or []).clear()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page)


async def _serve(port: int, arrivals: list[bytes] | None) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: PlainReceiver(port, arrivals), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[-1]), [] if "--keep" in sys.argv else None))
