"""specs/openapi.yaml, for tests that go through all of its operations."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

METHODS = ("get", "post", "put", "patch", "delete")
ACCOUNT_PREFIX = "/accounts/{account_id}/zt_risk_scoring"
DOCUMENT_PATH = Path(__file__).parents[2] / "specs" / "openapi.yaml"
DOCUMENT: dict[str, Any] = yaml.load(DOCUMENT_PATH.read_text(), yaml.CSafeLoader)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation: path, method, what the contract says of it."""
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a local reference."""
    while "$ref" in node:
        target: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def examples(content: dict[str, Any]) -> list[Any]:
    """The examples of a body."""
    many = [resolved(example)["value"] for example in content.get("examples", {}).values()]
    return [content["example"], *many] if "example" in content else many


def filled(path: str, **known: str) -> str:
    """A path with its parameters: those that are known, and the contract's examples for the others."""
    for parameter in map(resolved, DOCUMENT["paths"][path].get("parameters", [])):
        name = parameter["name"]
        path = path.replace(f"{{{name}}}", known.get(name, str(parameter["example"])))
    return path
