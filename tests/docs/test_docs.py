"""The documents that are made from the code are as the code says."""

from pathlib import Path

import pytest

from docs.write import DIRECTORY, PAGES
from riskrelay.settings import Settings


@pytest.mark.parametrize("name", PAGES)
def test_a_document_is_as_the_code_says(name: str) -> None:
    """`make docs` writes it again."""
    assert (DIRECTORY / name).read_text() == PAGES[name]()


def test_every_document_that_says_so_is_made() -> None:
    """A page with the remark is written by `make docs`, and only such a page has it."""
    marked = {path.name for path in Path(DIRECTORY).glob("*.md") if "\nMade by `make docs`" in path.read_text()}
    assert marked == PAGES.keys()


def test_every_setting_is_described() -> None:
    """In a sentence, on the page of settings."""
    page = PAGES["settings.md"]()
    for name, field in Settings.model_fields.items():
        assert field.description is not None
        assert field.description.endswith((".", ")"))
        assert f"| `RISKRELAY_{name.upper()}` |" in page
