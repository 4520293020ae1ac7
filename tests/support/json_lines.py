"""Reading the log of another process while it writes."""

import json
from pathlib import Path
from typing import Any


def json_lines(path: Path) -> list[Any]:
    """Return the values of a file of JSON lines; none if there is no file. A line that is not whole yet is left out."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]
