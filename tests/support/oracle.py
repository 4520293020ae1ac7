"""The oracle: a receiver in a process of its own that takes everything and writes down what it saw.

    python -m support.oracle PORT LOG

Each line of LOG is one request: {"received_at", "path", "content_type", "token"}, on disk before the 202 is sent.
"""

import json
import sys
import time
from pathlib import Path

from aiohttp import web


def oracle_app(log: Path) -> web.Application:
    """An application that logs each POST and answers 202."""
    file = log.open("a", buffering=1)

    async def receive(request: web.Request) -> web.Response:
        token = (await request.read()).decode()
        entry = {
            "received_at": time.time(),
            "path": request.path,
            "content_type": request.content_type,
            "token": token,
        }
        file.write(json.dumps(entry) + "\n")
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/{path:.*}", receive)
    return app


if __name__ == "__main__":
    web.run_app(
        oracle_app(Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), print=lambda _: None, access_log=None
    )
