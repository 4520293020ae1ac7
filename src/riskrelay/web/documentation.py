"""The API's own documentation: the contract, a readable page of it, and a page per error code."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from riskrelay.web.error_pages import render_error_index, render_error_page
from riskrelay.web.reference import Reference

# In the wheel the contract lies beside this file; in a checkout at its one place, specs/.
_CANDIDATES = (Path(__file__).parent / "openapi.yaml", Path(__file__).parents[3] / "specs" / "openapi.yaml")


@cache
def contract() -> dict[str, Any]:
    """The OpenAPI document."""
    path = next(path for path in _CANDIDATES if path.is_file())
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


@cache
def _contract_json() -> bytes:
    return msgspec.json.encode(contract())


@cache
def _reference_page() -> str:
    return Reference(contract()).page()


async def openapi(request: Request) -> Response:
    """The contract as JSON."""
    return Response(_contract_json(), media_type="application/json")


async def reference(request: Request) -> Response:
    """The contract as a page."""
    return HTMLResponse(_reference_page())


async def error_index(request: Request) -> Response:
    """Every error code."""
    return HTMLResponse(render_error_index())


async def error_page(request: Request) -> Response:
    """What one error code means and what to change."""
    text = request.path_params["code"]
    # Four or five digits are all that a code has; what is longer need not even become a number.
    page = render_error_page(int(text)) if text.isascii() and text.isdigit() and len(text) <= 5 else None
    if page is None:
        return HTMLResponse(render_error_index(), 404)
    return HTMLResponse(page)
