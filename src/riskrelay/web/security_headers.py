"""Security header fields of all responses."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HSTS = "max-age=31536000"  # a year, as RFC 6797 §6.1.1 shows; no subdomains: they may belong to other services


class SecurityHeaders:
    """Adds `X-Content-Type-Options` and, over https, `Strict-Transport-Security`.

    It also adds `Cache-Control: no-store` to a response without `Cache-Control`.

    Args:
        https: whether the public URL is https.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if self._https:
                    headers.setdefault("Strict-Transport-Security", _HSTS)
            await send(message)

        await self._app(scope, receive, send_with_headers)
