"""What `doctor` finds, and what it needs from outside to look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from riskrelay.core.integrations import OpenedTls


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works; somebody should know."""
    PROBLEM = "problem"
    """Something does not work, or will not."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        topic: a stable word: settings, database, keys, receivers, public_url, worker, ledger.
        said: what was found, in one sentence.
        mend: what to do; None when nothing is to be done.
    """

    topic: str
    verdict: Verdict
    said: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """The database itself.

    Attributes:
        version: of its engine, such as `SQLite 3.40.1`.
        now: its clock, aware UTC.
    """

    version: str
    now: datetime


class Probe(Protocol):
    """Looks whether others can be reached. Nothing is ever sent to a receiver."""

    async def reach(self, targets: Sequence[tuple[str, OpenedTls | None]]) -> list[str | None]:
        """Resolve, dial and shake hands, under the rules that hold for pushes and on their way.

        Args:
            targets: each a URL, and what is used there as `Pusher.push` uses it.

        Returns: for each what is wrong, in a few words; None when nothing is.
        """

    async def fetch(self, url: str) -> bytes | str:
        """GET one of our own pages.

        Returns: its body, or as text what is wrong.
        """
