"""Make the synchronous client from the asynchronous one: the same text without `async` and `await`."""

import re
from pathlib import Path

CLIENT = Path(__file__).parents[2] / "src/riskrelay/client"
HAND_WRITTEN = {"__init__.py", "transport.py"}

_WORDS = {
    r"\basync (def|with|for)\b": r"\1",
    r"\bawait ": "",
    r"from asyncio import sleep\nfrom collections\.abc import (.*)": r"from collections.abc import \1",
    r"from time import monotonic\n": "from time import monotonic, sleep\n",
    r"\bAsyncIterator\b": "Iterator",
    r"\bAsyncClient\b": "Client",
    r"\b__aenter__\b": "__enter__",
    r"\b__aexit__\b": "__exit__",
    r"\briskrelay\.client\.aio\b": "riskrelay.client.sync",
}


def synchronous(text: str) -> str:
    """Return the synchronous form of an asynchronous module, except for its formatting."""
    for pattern, word in _WORDS.items():
        text = re.sub(pattern, word, text)
    return text


def generated() -> dict[Path, str]:
    """Return the text of every generated module by its path, before formatting."""
    return {
        CLIENT / "sync" / module.name: synchronous(module.read_text())
        for module in sorted((CLIENT / "aio").glob("*.py"))
        if module.name not in HAND_WRITTEN
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
