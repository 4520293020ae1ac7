"""Send the remaining quota in the header fields of the IETF draft that the SDKs read."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riskrelay.core.rate_limits import Allowance

_POLICY = '"default"'


def rate_limit_headers(scope: Scope) -> dict[str, str]:
    """Return the two header fields for a request whose token was counted; none for others.

    Rule: draft-ietf-httpapi-ratelimit-headers-10 §3 and §4, structured fields (RFC 9651).
    """
    allowance = scope.get("state", {}).get("allowance")
    if not isinstance(allowance, Allowance):
        return {}
    limit = allowance.limit
    return {
        "Ratelimit": f"{_POLICY};r={allowance.remaining};t={allowance.full_in_seconds}",
        "Ratelimit-Policy": f"{_POLICY};q={limit.quota};w={limit.window_seconds}",
    }


class RateLimitHeaders:
    """Adds the fields to every answer to a valid token, refusals included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(rate_limit_headers(scope))
            await send(message)

        await self._app(scope, receive, send_with_headers)
