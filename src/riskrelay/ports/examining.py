"""What `doctor` finds, and what it needs from outside to look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from riskrelay.core.integrations import AccountId, OpenedTls
from riskrelay.core.risk.findings import UserId
from riskrelay.core.ssf.outcomes import Outcome


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works; somebody should know."""
    PROBLEM = "problem"
    """Something does not work, or will not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        topic: a stable word: settings, database, keys, receivers, public_url, worker, ledger.
        said: what was found, in one sentence.
        fix: what to do; None if there is nothing to do.
    """

    topic: str
    verdict: Verdict
    said: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """The database itself.

    Attributes:
        version: of its engine, such as `SQLite 3.40.1`.
        now: its clock, aware UTC.
    """

    version: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowedUser:
    """A user with a level whose mailbox another user has since addresses are compared by mailbox: no finding reaches
    this one any more, so the level stays until an operator resets it."""

    account_id: AccountId
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A process that serves or delivers, as it describes itself.

    Attributes:
        role: serve or worker.
        seen_at: when it was known to run, by its own clock, aware UTC.
        settings: by name in lower case, as JSON has them; no secrets.
    """

    node_id: str
    role: str
    started_at: datetime
    seen_at: datetime
    settings: Mapping[str, object]


class Nodes(Protocol):
    """The processes that run."""

    def announce(self, node: Node) -> None:
        """Store *node*, or, when it is there, when it was seen."""

    def leave(self, node_id: str) -> None:
        """Remove a node that ends."""

    def seen_since(self, moment: datetime) -> list[Node]:
        """Return the nodes seen then or later, the first started first."""

    def forget_unseen_since(self, moment: datetime) -> None:
        """Remove those that were not seen since: they ended without a word."""


class Probe(Protocol):
    """Looks whether others can be reached. Nothing is ever sent to a receiver."""

    async def reach(self, targets: Sequence[tuple[str, OpenedTls | None]]) -> list[Outcome | None]:
        """Resolve, dial and shake hands, under the rules that hold for pushes and on their way.

        Args:
            targets: each a URL, and what is used there as `Pusher.push` uses it.

        Returns: for each what a push would have become; None: the receiver is there.
        """

    async def fetch(self, url: str) -> bytes | str:
        """GET one of our own pages.

        Returns: its body, or as text what is wrong.
        """
