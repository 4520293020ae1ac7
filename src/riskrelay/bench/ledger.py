"""The ledger as a service shows it at /metrics."""

import asyncio
import re
import urllib.request
from collections import Counter

_SECONDS = 60
_COUNT = re.compile(r'^riskrelay_ledger_events\{.*state="(\w+)".*\} (\S+)$', re.MULTILINE)
_IMBALANCE = re.compile(r"^riskrelay_ledger_imbalance (\S+)$", re.MULTILINE)


async def read_ledger(service_url: str) -> dict[str, int]:
    """Return the number of events in each state, over all streams, and the `imbalance`."""
    text = await asyncio.to_thread(_get, f"{service_url}/metrics")
    counts: Counter[str] = Counter()
    for state, count in _COUNT.findall(text):
        counts[state] += int(float(count))
    (imbalance,) = _IMBALANCE.findall(text)
    return {**counts, "imbalance": int(float(imbalance))}


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=_SECONDS) as response:  # noqa: S310  an address of our own
        text: str = response.read().decode()
    return text
