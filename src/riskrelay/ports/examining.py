"""The results of `doctor`, and its interfaces to the network and the processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from riskrelay.core.integrations import AccountId, OpenedTls
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.policy_rules import RuleId
from riskrelay.core.ssf.outcomes import Outcome


class Verdict(StrEnum):
    """The severity of a check's result."""

    OK = "ok"
    WARNING = "warning"
    """It works; somebody should know."""
    PROBLEM = "problem"
    """Something does not work, or will not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of one check.

    Attributes:
        topic: a stable word: settings, database, keys, receivers, public_url, worker, ledger, users, rules,
            notifications.
        said: the result in one sentence.
        fix: the action for the operator; None: no action is needed.
    """

    topic: str
    verdict: Verdict
    said: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """The database's version and clock.

    Attributes:
        version: the version of the engine, such as `SQLite 3.40.1`.
        now: the time of the database's clock, aware UTC.
    """

    version: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AilingRule:
    """An enabled rule of an account that is stopped, or whose evaluations have failed since it was changed."""

    account_id: AccountId
    rule_id: RuleId
    is_stopped: bool
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowedUser:
    """A user with a level whose mailbox is the same as another user's.

    Since addresses are compared by mailbox, findings go to the other user. So this user's level stays until the
    operator resets it.
    """

    account_id: AccountId
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A process that serves or delivers, as it describes itself.

    Attributes:
        role: serve or worker.
        seen_at: the last time at which the process announced itself, by its own clock, aware UTC.
        settings: the settings without secrets, as JSON values, by name in lower case.
    """

    node_id: str
    role: str
    started_at: datetime
    seen_at: datetime
    settings: Mapping[str, object]


class Nodes(Protocol):
    """The running processes."""

    def announce(self, node: Node) -> None:
        """Store *node*, or update the time at which it was seen."""

    def leave(self, node_id: str) -> None:
        """Delete a node that ends."""

    def seen_since(self, moment: datetime) -> list[Node]:
        """Return the nodes seen at *moment* or later, in the order of their starts."""

    def delete_unseen_since(self, moment: datetime) -> None:
        """Delete nodes that were last seen before *moment*. These have crashed."""


class Probe(Protocol):
    """Checks whether receivers and pages of this service can be reached. It sends no event to a receiver."""

    async def reach(self, targets: Sequence[tuple[str, OpenedTls | None]]) -> list[Outcome | None]:
        """Resolve, connect and do the TLS handshake, under the rules and through the proxy of pushes.

        Args:
            targets: the URLs, each with its TLS material as for `Pusher.push`.

        Returns: for each target the outcome that a push would have; None: the receiver can be reached.
        """

    async def fetch(self, url: str) -> bytes | str:
        """Send a GET request for a page of this service.

        Returns: the body, or the problem as text.
        """
