"""The set-up steps of a product, in pieces that a page can show."""

import re
from typing import NamedTuple

PLACEHOLDERS = ("tenant_url", "well_known_url", "credentials")

_MARK = re.compile(r"(\*\*|\*|\{\w+\})")
_TAGS = {"**": "strong", "*": "em"}


class Piece(NamedTuple):
    """A part of a step.

    Attributes:
        tag: the HTML element around it; empty: none.
        placeholder: one of PLACEHOLDERS, which is shown instead of *text*; empty: none.
    """

    text: str
    tag: str = ""
    placeholder: str = ""


def pieces(step: str) -> list[Piece]:
    """Split a step of a product's row at its marks.

    Raises: ValueError: it has a placeholder that there is not, or a mark that is not closed.

    >>> pieces("Open **{tenant_url}** as *admin*")[1]
    Piece(text='', tag='strong', placeholder='tenant_url')
    """
    found, opened = [], ""
    for part in _MARK.split(step):
        if part in _TAGS:
            if opened not in ("", part):
                raise ValueError(f"{part} inside {opened}: {step}")
            opened = "" if opened else part
        elif part.startswith("{"):
            if part[1:-1] not in PLACEHOLDERS:
                raise ValueError(f"no placeholder is called {part}: {step}")
            found.append(Piece("", _TAGS.get(opened, ""), part[1:-1]))
        elif part:
            found.append(Piece(part, _TAGS.get(opened, "")))
    if opened:
        raise ValueError(f"{opened} is not closed: {step}")
    return found
