"""What a transaction over the whole installation offers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from riskrelay.core.credentials import Account, StoredToken, TokenId
from riskrelay.core.delivery.attempts import Attempt, Ledger
from riskrelay.core.delivery.lanes import LaneKey, LaneLease, LaneWork, NextDue, Settlement
from riskrelay.core.delivery.survey import Survey
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.core.keys import KeyChanges, SealedKey
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.access import CredentialId, ReceiverCredential, ReceiverToken
from riskrelay.core.ssf.streams import Stream, StreamId, StreamStatus
from riskrelay.ports.account import Audit
from riskrelay.ports.console import Sessions
from riskrelay.ports.examining import DatabaseFacts, Nodes, ShadowedUser
from riskrelay.ports.operating import DatabaseClock, EngineCare, Purging, Retention


class Accounts(Protocol):
    """The accounts of the installation."""

    def add(self, account_id: AccountId, at: datetime) -> bool:
        """Create the account.

        Returns: False when it was there already.
        """

    def get(self, account_id: AccountId) -> Account | None:
        """The account with that id."""

    def all(self) -> list[Account]:
        """Every account, oldest first."""


class Tokens(Protocol):
    """The tokens of the accounts and of the installation."""

    def add(self, token: StoredToken) -> None:
        """Store a token's hash."""

    def all(self) -> list[StoredToken]:
        """Every token, oldest first."""

    def of(self, owner: AccountId | None) -> list[StoredToken]:
        """The tokens of one account, or with None the installation's own, oldest first."""

    def by_hashes(self, token_hashes: Collection[bytes]) -> dict[bytes, StoredToken]:
        """Those of the tokens that exist, by hash."""

    def get(self, owner: AccountId | None, token_id: TokenId) -> StoredToken | None:
        """The token of that account, or with None of the installation, that has that id."""

    def delete(self, token: StoredToken) -> None:
        """Forget a token. The audit log keeps that there was one."""

    def record_uses(self, uses: Sequence[tuple[StoredToken, datetime]]) -> None:
        """Write down when tokens were last used; a later use that is there already stays."""


class Keys(Protocol):
    """The installation's signing keys, sealed under the master key."""

    def apply(self, changes: KeyChanges) -> None:
        """Write down what became of the keys."""

    def all(self) -> list[SealedKey]:
        """Every key, in the order of their making."""


class Receivers(Protocol):
    """Who may call in as a receiver, found by what a request shows; nothing of a deleted integration is found."""

    def client(self, integration_id: IntegrationId, client_id: CredentialId) -> ReceiverCredential | None:
        """The OAuth client of that integration with that id."""

    def by_token(self, integration_id: IntegrationId, token_hash: bytes) -> ReceiverToken | None:
        """The static token or the access token of that integration with that hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStop:
    """A stream is paused or disabled because of what its receiver answered (see core.delivery.decisions).

    Attributes:
        notice: the event that tells the receiver; None for an implicit stream.
        cancels_backlog: whether the events that wait become cancelled.
    """

    status: StreamStatus
    reason: str
    notice: Signal | None
    cancels_backlog: bool


class Lanes(Protocol):
    """Claiming lanes and writing down what became of a batch. The lease clock is the database's."""

    def claim(
        self,
        limit: int,
        lease: timedelta,
        named: Sequence[LaneKey] | None = None,
        since: datetime | None = None,
        besides: Collection[LaneKey] = (),
    ) -> list[LaneLease]:
        """Take lanes that are due and free; each gets a new epoch.

        Args:
            limit: at most so many.
            named: only these, such as those that a wake named; None: any, the longest due first.
            since: those that have been due for longer may be missed; None: none is.
            besides: never these: the caller has outcomes of theirs to write under an older lease.
        """

    def next_due(self, since: datetime | None = None) -> NextDue:
        """When to claim next; lanes that have been due since before *since* may be missed."""

    def read(self, lease: LaneLease, limit: int, retention: timedelta) -> LaneWork:
        """The lane's state and its next events.

        Raises: LeaseLost.
        """

    def settle(
        self,
        lease: LaneLease,
        work: LaneWork,
        settlement: Settlement,
        tried: Sequence[Attempt],
        extend: timedelta,
    ) -> None:
        """Write a batch down and extend the lease. Where the stream was edited or resumed since it was read, what has
        to wait is due at once, and nothing is held against the receiver.

        Raises: LeaseLost: nothing was written.
        """

    def is_settled(self, lease: LaneLease, tried: Sequence[Attempt]) -> bool:
        """Whether *tried* was written already under this lease, by a commit whose answer was lost.

        Raises: LeaseLost.
        """

    def renew(self, lease: LaneLease, extend: timedelta) -> None:
        """Extend the lease and change nothing else.

        Raises: LeaseLost.
        """

    def release(self, lease: LaneLease) -> None:
        """Give the lane back. Does nothing when the lease is lost."""

    def release_all(self) -> None:
        """End every lease: for a process that holds the database alone and has just started."""

    def stop_stream(
        self, lease: LaneLease, work: LaneWork, settlement: Settlement, tried: Sequence[Attempt], stop: StreamStop
    ) -> list[LaneKey]:
        """Settle a batch whose answers stop the stream, and give the lane back. A stream that was edited or resumed
        since it was read is not stopped: those answers speak of what it was.

        Returns: the lanes that got the notice.
        Raises:  LeaseLost: nothing was written.
        """


class Installation(Protocol):
    """One transaction over the whole installation: only for what belongs to no account, and for delivery."""

    accounts: Accounts
    tokens: Tokens
    sessions: Sessions
    keys: Keys
    receivers: Receivers
    lanes: Lanes
    retention: Retention
    purging: Purging
    nodes: Nodes
    clock: DatabaseClock
    engine: EngineCare

    def audit_of(self, owner: AccountId | None) -> Audit:
        """The audit log of one account, or with None the installation's own."""

    def integration(self, integration_id: IntegrationId) -> Integration | None:
        """An integration of any account, by the id in its well-known URL."""

    def undelivered(self, streams: Sequence[tuple[AccountId, StreamId]]) -> list[LaneKey]:
        """List the lanes of *streams* that have something undelivered."""

    def idle_streams(self, timeout: timedelta, limit: int) -> list[Stream]:
        """Receivers' streams that are enabled and were not active for *timeout*, by the database's clock."""

    def abandoned_writes(self, limit: int) -> list[AccountId]:
        """Return accounts whose large write belongs to a process that shows no sign of life."""

    def ledgers(self) -> list[Ledger]:
        """The ledger of every stream, counted from the rows (not from the lanes' counters alone)."""

    def shadowed_users(self, limit: int) -> list[ShadowedUser]:
        """Return the first *limit* users with a level whose mailbox another user has, account by account."""

    def database(self) -> DatabaseFacts:
        """Which database this is."""

    def survey(self) -> Survey:
        """What monitoring wants to know of it all: a handful of statements, none of which reads the log of events."""
