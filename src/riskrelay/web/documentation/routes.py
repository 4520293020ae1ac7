"""The routes of the documentation."""

import asyncio
from functools import cache

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.web.documentation.contract import contract
from riskrelay.web.documentation.library import BASE
from riskrelay.web.documentation.representations import Page
from riskrelay.web.documentation.site import ERRORS, MISSING, site

_built: dict[str, Page] = {}  # by path; only paths of pages, so it can't grow beyond them


@cache
def _contract_page() -> Page:
    return Page.of(msgspec.json.encode(contract()), "application/json")


async def openapi(request: Request) -> Response:
    """Answer the contract as JSON."""
    return _contract_page().answer(request)


async def home(request: Request) -> Response:
    """Answer the first page, which lists all sections and all operations."""
    return await _answer(request, BASE, otherwise=MISSING)


async def error_index(request: Request) -> Response:
    """Answer the list of error codes."""
    return await _answer(request, ERRORS, otherwise=MISSING)


async def error_page(request: Request) -> Response:
    """Answer the page of one error code; for an unknown code, 404 with the list of all codes."""
    return await _answer(request, f"{ERRORS}/{request.path_params['code']}", otherwise=ERRORS)


async def document(request: Request) -> Response:
    """Answer any other page, a picture, a static file or the search index."""
    if not request.path_params["page"]:
        raise HTTPException(404)  # no path of the API has a trailing slash
    return await _answer(request, f"{BASE}/{request.path_params['page']}", otherwise=MISSING)


async def _answer(request: Request, path: str, *, otherwise: str) -> Response:
    """Answer the page at *path*; if there is none, 404 with the page at *otherwise*."""
    page = await _find(path)
    if page is not None:
        return page.answer(request)
    instead = await _find(otherwise)
    assert instead is not None  # noqa: S101  the callers name pages that exist
    return instead.answer(request, 404)


async def _find(path: str) -> Page | None:
    """Return the page at *path*, built in a thread, because that can take longer than the event loop may be blocked."""
    if path in _built:
        return _built[path]
    page = await asyncio.to_thread(lambda: site().page(path))
    if page is not None:
        _built[path] = page
    return page
