"""The OpenAPI document of the API."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

# In the wheel the contract lies in the package `web`; in a checkout at its one place, specs/.
_CANDIDATES = (Path(__file__).parents[1] / "openapi.yaml", Path(__file__).parents[4] / "specs" / "openapi.yaml")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is five times as fast


@cache
def contract() -> dict[str, Any]:
    """Return the OpenAPI document."""
    path = next(path for path in _CANDIDATES if path.is_file())
    document: dict[str, Any] = yaml.load(path.read_text(), _LOADER)  # noqa: S506  a safe loader
    return document
