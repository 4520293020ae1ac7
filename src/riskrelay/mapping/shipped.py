"""The mapping documents that come with this version: `kinds/KIND.yaml`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from riskrelay.core.sources.mappings import MappingDocument, read_mapping

CUSTOM = "custom"
"""The kind of sources that have a mapping of their own. Its shipped document is an example to start from."""


@cache
def shipped_texts() -> Mapping[str, str]:
    """Return the YAML of every shipped mapping, by kind, in alphabetical order."""
    documents = (entry for entry in files(__package__).joinpath("kinds").iterdir() if entry.name.endswith(".yaml"))
    texts = {entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8") for entry in documents}
    return dict(sorted(texts.items()))


@cache
def shipped_mapping(kind: str) -> MappingDocument:
    """Return the mapping of a shipped kind.

    Raises:
        KeyError: there is no such kind.
        MappingInvalidError: never in a released version: tests read every document.
    """
    return read_mapping(decode_yaml(shipped_texts()[kind]))


def decode_yaml(text: str) -> Any:
    """Decode the YAML (or JSON) of a trusted document, from a local user.

    Raises: yaml.YAMLError.
    """
    return yaml.safe_load(text)
