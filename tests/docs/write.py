"""Writing the documents that are made from the code: `make docs`."""

from collections.abc import Callable, Mapping
from pathlib import Path

from docs import adr_page, cli_page, errors_page, event_types_page, settings_page

DIRECTORY = Path(__file__).parents[2] / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "adr/README.md": adr_page.render_markdown,
    "cli.md": cli_page.render_markdown,
    "errors.md": errors_page.render_markdown,
    "event-types.md": event_types_page.render_markdown,
    "settings.md": settings_page.render_markdown,
}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (DIRECTORY / name).write_text(render())
