"""The oracle: a receiver in a process of its own that takes everything and writes down what it saw.

    python -m support.oracle PORT LOG [CERTIFICATE KEY]

Each line of LOG is one request: {"received_at", "path", "content_type", "accept", "authorization", "token",
"port", "accepted"}, on disk before the answer is sent. It answers 202; below these paths it does what they say:

    /reject/…        400 with an `err`, always
    /fail-once/…     500 to the first request of each path
    /slow/…          answers after SLOW_SECONDS
    /hold-once/…     no answer to the first request of each path, for a minute
"""

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path

from aiohttp import web

REFUSAL = {"err": "invalid_request", "description": "this path refuses everything"}
SLOW_SECONDS = 0.3
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
"""What must always show as the text that it is."""


def oracle_app(log: Path) -> web.Application:
    """An application that logs each POST and answers it."""
    file = log.open("a", buffering=1)
    seen: set[str] = set()

    async def receive(request: web.Request) -> web.Response:
        token = (await request.read()).decode()
        answer, is_first = answer_of(request.path), request.path not in seen
        seen.add(request.path)
        assert request.transport is not None
        entry = {
            "received_at": time.time(),
            "path": request.path,
            "content_type": request.content_type,
            "accept": request.headers.get("Accept"),
            "authorization": request.headers.get("Authorization"),
            "token": token,
            "port": request.transport.get_extra_info("peername")[1],
            "accepted": answer.status == 202,
        }
        file.write(json.dumps(entry) + "\n")
        if request.path.startswith("/hold-once/") and is_first:
            await asyncio.sleep(60)
        if request.path.startswith("/slow/"):
            await asyncio.sleep(SLOW_SECONDS)
        return answer

    def answer_of(path: str) -> web.Response:
        if path.startswith("/reject/"):
            return web.json_response(REFUSAL, status=400, headers={"Content-Language": "en"})
        if path.startswith("/hostile/"):
            refusal = {"err": "invalid_request", "description": f"\x1b[31m{HOSTILE}\x1b[0m"}
            return web.json_response(refusal, status=400, headers={"Content-Language": "en"})
        if path.startswith("/fail-once/") and path not in seen:
            return web.Response(status=500)
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/{path:.*}", receive)
    return app


def tls_of(files: list[str]) -> ssl.SSLContext | None:
    """TLS with a certificate and its key; None: plain http."""
    if not files:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


if __name__ == "__main__":
    web.run_app(
        oracle_app(Path(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        ssl_context=tls_of(sys.argv[3:]),
        print=lambda _: None,
        access_log=None,
        shutdown_timeout=1,  # a request that is held must not hold up the end
    )
