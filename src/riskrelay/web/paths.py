"""Routes by the percent-encoded path: an encoded slash is no separator, and a path handles all methods."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import quote, unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]

_NOTHING = ""  # no id, reference id or account id is empty


class EncodedPaths:
    """Passes the percent-encoded path to the routes, so that `a%2Fb` is one segment and not two.

    Rule: RFC 3986 §2.2: the segments are separated before they are decoded.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw = scope.get("raw_path")  # optional in ASGI
            scope["path"] = quote(scope["path"]) if raw is None else raw.decode("latin-1")
        await self._app(scope, receive, send)


class PathRoute(Route):
    """The handlers of one path. It needs `EncodedPaths`.

    It matches its path for all methods, so that a fixed name is never taken for an id by a later route (contract 23),
    and so that a 405 names all methods of the path (RFC 9110 §15.5.6).
    """

    def __init__(self, path: str, handlers: Mapping[str, Handler]) -> None:
        async def handle(request: Request) -> Response:
            return await handlers["GET" if request.method == "HEAD" else request.method](request)

        super().__init__(path, handle, methods=handlers)
        self._start = path.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the path matches, with its decoded parameters."""
        # A request is compared with up to 200 routes. This check takes a tenth of the time of the regular expression.
        if not scope["path"].startswith(self._start):
            return Match.NONE, {}
        match, found = super().matches(scope)
        if match is Match.NONE:
            return match, found
        decoded = {name: _decoded(value) for name, value in found["path_params"].items()}
        return Match.FULL, {**found, "path_params": decoded}


def by_path(rows: Iterable[tuple[str, str, Handler]]) -> list[PathRoute]:
    """Return one route for each path of *rows* (method, path, handler), in the order in which the paths first
    appear."""
    handlers: dict[str, dict[str, Handler]] = {}
    for method, path, handler in rows:
        handlers.setdefault(path, {})[method] = handler
    return [PathRoute(path, methods) for path, methods in handlers.items()]


def _decoded(part: str) -> str:
    """Return a decoded parameter of a path. A value that no stored text can have becomes the empty name.

    PostgreSQL stores no NUL, and bytes that are not UTF-8 are not text.

    >>> _decoded("my%2Fref"), _decoded("%00"), _decoded("%FF")
    ('my/ref', '', '')
    """
    try:
        text = unquote_to_bytes(part.encode("latin-1")).decode()
    except UnicodeDecodeError:
        return _NOTHING
    return _NOTHING if "\0" in text else text
