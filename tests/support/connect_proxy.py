"""An egress proxy in a process of its own: it knows CONNECT and nothing else.

    python -m support.connect_proxy PORT LOG [USER:PASSWORD]

Each line of LOG is the target of a CONNECT that it was asked for. To those whose port is 1 it answers 502, to those
with port 2 nothing. With USER:PASSWORD it answers 407 to whoever does not show them.
"""

import asyncio
import base64
import sys
from contextlib import suppress
from pathlib import Path


class ConnectProxy:
    """Tunnels."""

    def __init__(self, log: Path, credentials: str | None) -> None:
        self._log = log
        basic = "" if credentials is None else base64.b64encode(credentials.encode()).decode()
        self._wanted = f"\r\nProxy-Authorization: Basic {basic}\r\n" if basic else ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection."""
        with suppress(asyncio.IncompleteReadError, OSError):
            await self._tunnel(reader, writer)
        writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        assert method == "CONNECT"
        with self._log.open("a") as log:
            log.write(target + "\n")
        host, _, port = target.rpartition(":")
        if self._wanted not in head:
            writer.write(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
        elif port == "1":
            writer.write(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n")
        elif port == "2":
            await asyncio.sleep(3600)
        else:
            there = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))
        await writer.drain()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(65_536):
            target.write(piece)
            await target.drain()
    target.close()


async def main(port: int, proxy: ConnectProxy) -> None:
    """Listen until killed."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), ConnectProxy(Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)))
