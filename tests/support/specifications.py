"""The example documents under specs/, and those in the specifications' own texts where a checkout is at hand."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SPECS = Path(__file__).parents[2] / "specs"

_FENCED = re.compile(r"^~~~ ?json\n(.*?)^~~~", re.DOTALL | re.MULTILINE)
_ARTWORK = re.compile(r"<artwork[^>]*><!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_LOOSE_COMMA = re.compile(r",(\s*})")


def documents(folder: str) -> dict[str, Any]:
    """The documents of a folder of specs/, by file name."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((SPECS / folder).glob("*.json"))}
    assert found, folder
    return found


def examples_of_the_texts(checkout: Path) -> Iterator[tuple[str, Any]]:
    """Every JSON example in a checkout of the repository that the specifications are written in, with its place.

    A comma that one of them has too many is dropped; what is only a part of a document is made an object.
    """
    for path in sorted(checkout.glob("openid-*-1_0.*")):
        pattern = _FENCED if path.suffix == ".md" else _ARTWORK
        for place, found in enumerate(pattern.finditer(path.read_text()), 1):
            text = _LOOSE_COMMA.sub(r"\1", found.group(1)).strip()
            if text.startswith('"'):
                text = "{" + text + "}"
            if text.startswith("{"):
                yield f"{path.stem} example {place}", json.loads(text)
