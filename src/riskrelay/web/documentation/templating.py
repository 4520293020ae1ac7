"""The templates of the documentation, and its scripts, styles and icon."""

from functools import cache
from importlib.metadata import version
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from riskrelay.web.documentation.errors import statuses
from riskrelay.web.documentation.library import BASE
from riskrelay.web.documentation.markdown import anchor_of, highlighted
from riskrelay.web.documentation.reference import group_url
from riskrelay.web.documentation.representations import HTML, SVG, Page

SEARCH = f"{BASE}/search.json"
_STATIC = f"{BASE}/static/"
_TYPES = {"js": "text/javascript", "css": "text/css", "svg": SVG, "png": "image/png"}


def media_type_of(name: str) -> str:
    """Return the media type of a file by its extension."""
    return _TYPES[name.rpartition(".")[2]]


@cache
def static_pages() -> dict[str, Page]:
    """Return the static files by their paths."""
    found = files("riskrelay.web.documentation").joinpath("static").iterdir()
    return {_STATIC + file.name: Page.of(file.read_bytes(), media_type_of(file.name)) for file in found}


def static_url(name: str) -> str:
    """Return the URL of a static file. It names the content's version, so that browsers cache it without limit."""
    path = _STATIC + name
    return f"{path}?v={static_pages()[path].version}"


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("riskrelay.web.documentation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {
        "static": static_url,
        "search_url": SEARCH,
        "version": version("riskrelay"),
        "group_url": group_url,
        "statuses": statuses,
        "highlighted": highlighted,
        "anchor_of": anchor_of,
    }
    return environment


def fill(template: str, **values: object) -> str:
    """Return a template filled with *values*."""
    return _templates().get_template(template).render(**values)


def page_of(template: str, **values: object) -> Page:
    """Return the page of a template."""
    return Page.of(fill(template, **values).encode(), HTML)
