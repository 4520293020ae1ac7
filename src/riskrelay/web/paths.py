"""Routes by the path as it was sent: a percent-encoded slash parts nothing, and a path claims every method."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import quote, unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]

_NOTHING = ""  # no id, reference id or account id is empty


class EncodedPaths:
    """Lets the routes see the path still percent-encoded, so that `a%2Fb` is one part of it and never two.

    Rule: RFC 3986 §2.2: decoding comes after the parts are told apart.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw = scope.get("raw_path")  # ASGI lets a server leave it out
            scope["path"] = quote(scope["path"]) if raw is None else raw.decode("latin-1")
        await self._app(scope, receive, send)


class PathRoute(Route):
    """One path and everything it takes. Behind `EncodedPaths`.

    It claims its path whatever the method is, so that a word of ours is never taken for somebody's id in a route
    further down (contract 23), and so that a 405 names all methods of the path (RFC 9110 §15.5.6).
    """

    def __init__(self, path: str, handlers: Mapping[str, Handler]) -> None:
        async def handle(request: Request) -> Response:
            return await handlers["GET" if request.method == "HEAD" else request.method](request)

        super().__init__(path, handle, methods=handlers)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path is this route's, and its parameters, decoded."""
        match, found = super().matches(scope)
        if match is Match.NONE:
            return match, found
        decoded = {name: _decoded(value) for name, value in found["path_params"].items()}
        return Match.FULL, {**found, "path_params": decoded}


def by_path(rows: Iterable[tuple[str, str, Handler]]) -> list[PathRoute]:
    """One route for each path of *rows* (method, path, handler), in the order in which the paths first appear."""
    handlers: dict[str, dict[str, Handler]] = {}
    for method, path, handler in rows:
        handlers.setdefault(path, {})[method] = handler
    return [PathRoute(path, methods) for path, methods in handlers.items()]


def _decoded(part: str) -> str:
    """A parameter of a path, decoded; what no stored text can hold becomes the name that nothing has.

    PostgreSQL takes no NUL, and bytes that are no UTF-8 are no text.

    >>> _decoded("my%2Fref"), _decoded("%00"), _decoded("%FF")
    ('my/ref', '', '')
    """
    try:
        text = unquote_to_bytes(part.encode("latin-1")).decode()
    except UnicodeDecodeError:
        return _NOTHING
    return _NOTHING if "\0" in text else text
