"""A crowd of connections that take much and give little: `python -m support.crowd PORT COUNT POLL_PATH TOKEN`.

It prints a line when all are open, and opens each again that is closed, until it is killed.
"""

import asyncio
import resource
import sys
from itertools import count

SILENT = b""
HALF_HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: "
HALF_BODY = (
    b"POST /ssf/x/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\na="
)
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
KEPT_ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
UNREAD = b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n"
_PAUSE_SECONDS = 1.0


class Crowd:
    """Half of it long polls, the other half everything else in turn."""

    def __init__(self, port: int, members: int, poll: bytes) -> None:
        self._port = port
        self._members = members
        self._kinds = [SILENT, HALF_HEAD, HALF_BODY, HTTP2, KEPT_ALIVE, KEPT_ALIVE]
        self._poll = poll
        self._open = 0
        self._all_open = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as members:
            for number in range(self._members):
                members.create_task(self._member(self._poll if number % 2 else self._kinds[number // 2 % 6]))
                if number % 100 == 0:
                    await asyncio.sleep(0.05)
            await self._all_open.wait()
            print("open", flush=True)

    async def _member(self, data: bytes) -> None:
        for turn in count():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            if turn == 0:
                self._open += 1
                if self._open == self._members:
                    self._all_open.set()
            try:
                writer.write(data)
                while await reader.read(65_536):
                    if data is self._poll:
                        writer.write(data)  # each answer is followed by the next poll
            except OSError:
                pass
            finally:
                writer.close()
            await asyncio.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    port, members, path, token = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    lines = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    asyncio.run(Crowd(int(port), int(members), lines.encode()).run())
