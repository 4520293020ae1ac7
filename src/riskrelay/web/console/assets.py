"""The console's static files: scripts, styles, the icon. static/README.md lists the sources of third-party files."""

from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".txt": "text/plain"}


class _Asset(NamedTuple):
    body: bytes
    media_type: str
    version: str


def _read() -> dict[str, _Asset]:
    found = {}
    for file in files("riskrelay.web.console").joinpath("static").iterdir():
        kind = _TYPES.get("." + file.name.rpartition(".")[2])
        if kind is not None:
            body = file.read_bytes()
            found[file.name] = _Asset(body, kind, sha256(body).hexdigest()[:16])
    return found


class Assets:
    """Serves static files from memory, under URLs that change with their contents."""

    def __init__(self) -> None:
        self._assets = _read()

    def url(self, name: str) -> str:
        """Return the URL of *name*. Browsers cache it without limit, because a new version has a new URL."""
        return f"/console/static/{name}?v={self._assets[name].version}"

    async def serve(self, request: Request) -> Response:
        """Serve one file. Names are looked up in memory, so no name leads out of the directory."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse("file not found\n", 404)
        is_this = request.query_params.get("v") == asset.version
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if is_this else "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(asset.body, headers=headers, media_type=asset.media_type)
