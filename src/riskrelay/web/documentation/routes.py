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


@cache
def _contract_page() -> Page:
    return Page.of(msgspec.json.encode(contract()), "application/json")


async def openapi(request: Request) -> Response:
    """Answer the contract as JSON."""
    return _contract_page().answer(request)


async def home(request: Request) -> Response:
    """Answer the first page, which lists all sections and all operations."""
    return (await _page(BASE)).answer(request)


async def error_index(request: Request) -> Response:
    """Answer the list of error codes."""
    return (await _page(ERRORS)).answer(request)


async def error_page(request: Request) -> Response:
    """Answer the page of one error code; for an unknown code, 404 with the list of all codes."""
    path = f"{ERRORS}/{request.path_params['code']}"
    known = path in site().paths()
    return (await _page(path if known else ERRORS)).answer(request, 200 if known else 404)


async def document(request: Request) -> Response:
    """Answer any other page, a picture, a static file or the search index."""
    path = f"{BASE}/{request.path_params['page']}"
    if path == f"{BASE}/":
        raise HTTPException(404)  # no path of the API has a trailing slash
    known = path in site().paths()
    return (await _page(path if known else MISSING)).answer(request, 200 if known else 404)


async def _page(path: str) -> Page:
    """Return a page that exists, built in a thread, because some take longer than the event loop may be blocked."""
    page = await asyncio.to_thread(site().page, path)
    assert page is not None  # noqa: S101  the callers ask for pages that are listed
    return page
