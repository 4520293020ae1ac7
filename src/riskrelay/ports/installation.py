"""The operations of a transaction over the whole installation."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from riskrelay.core.credentials import Account, StoredToken, TokenId
from riskrelay.core.delivery.attempts import Attempt, Ledger
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.delivery.lanes import LaneKey, LaneLease, LaneWork, NextDue, Settlement
from riskrelay.core.delivery.survey import Survey
from riskrelay.core.integrations import AccountId, Integration, IntegrationId
from riskrelay.core.keys import KeyChanges, SealedKey
from riskrelay.core.risk.findings import UserId
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.access import CredentialId, ReceiverCredential, ReceiverToken
from riskrelay.core.ssf.streams import Stream, StreamId, StreamStatus
from riskrelay.ports.account import Audit
from riskrelay.ports.bulk_resets import DueReset
from riskrelay.ports.coalescing import Coalescing
from riskrelay.ports.console import Sessions
from riskrelay.ports.erasures import AccountDeletions
from riskrelay.ports.examining import AilingRule, DatabaseFacts, Nodes, ShadowedUser
from riskrelay.ports.levels import DueLevels
from riskrelay.ports.notifications import DueNotifications
from riskrelay.ports.operating import DatabaseClock, EngineCare, Purging, Replays, Retention


class Accounts(Protocol):
    """The accounts of the installation."""

    def add(self, account_id: AccountId, at: datetime) -> bool:
        """Create the account.

        Returns: whether it was created; False: it exists.
        """

    def get(self, account_id: AccountId) -> Account | None:
        """Return the account with that id."""

    def all(self) -> list[Account]:
        """Return all accounts, oldest first."""


class Tokens(Protocol):
    """The tokens of the accounts and of the installation."""

    def add(self, token: StoredToken) -> None:
        """Store a token's hash."""

    def all(self) -> list[StoredToken]:
        """Return all tokens, oldest first."""

    def of(self, owner: AccountId | None) -> list[StoredToken]:
        """Return the tokens of one account, or with None those of the installation, oldest first."""

    def by_hashes(self, token_hashes: Collection[bytes]) -> dict[bytes, StoredToken]:
        """Return the existing tokens with those hashes, by hash."""

    def get(self, owner: AccountId | None, token_id: TokenId) -> StoredToken | None:
        """Return the token with that id, of that account or, with None, of the installation."""

    def delete(self, token: StoredToken) -> None:
        """Delete a token. The audit log keeps its entries."""

    def record_uses(self, uses: Sequence[tuple[StoredToken, datetime]]) -> None:
        """Store the times at which tokens were last used. A later stored time is kept."""


class Keys(Protocol):
    """The installation's signing keys, sealed under the master key."""

    def apply(self, changes: KeyChanges) -> None:
        """Store changes of the keys."""

    def all(self) -> list[SealedKey]:
        """Return all keys, in the order of their creation."""


class Receivers(Protocol):
    """The credentials of receivers, found by the values in a request, and their polls.

    Those of deleted integrations are excluded.
    """

    def client(self, integration_id: IntegrationId, client_id: CredentialId) -> ReceiverCredential | None:
        """Return the OAuth client of that integration with that id."""

    def by_token(self, integration_id: IntegrationId, token_hash: bytes) -> ReceiverToken | None:
        """Return the static token or access token of that integration with that hash."""

    def is_caught_up(self, account_id: AccountId, integration_id: IntegrationId, stream_id: StreamId) -> bool:
        """Return whether a poll of that stream without acknowledgements returns no event and writes nothing.

        Returns: False if the integration has no such stream, or if it is pushed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStop:
    """The decision to pause or disable a stream because of its receiver's response (see core.delivery.decisions).

    Attributes:
        notice: the event that notifies the receiver; None for an implicit stream.
        cancels_backlog: whether the waiting events are cancelled.
    """

    status: StreamStatus
    reason: str
    notice: Signal | None
    cancels_backlog: bool


class Lanes(Protocol):
    """Claims lanes and writes the outcomes of batches. Leases use the database's clock."""

    def claim(
        self,
        limit: int,
        lease: timedelta,
        named: Sequence[LaneKey] | None = None,
        since: datetime | None = None,
        besides: Collection[LaneKey] = (),
    ) -> list[LaneLease]:
        """Claim lanes that are due and not leased. Each gets a new epoch.

        Args:
            limit: the largest number of lanes.
            named: the lanes to claim, such as those that a wake named; None: any, the longest due first.
            since: the start of the scan. Lanes that became due before may be missed; None: no lane is missed.
            besides: lanes to skip, because the caller still has outcomes to write under an older lease.
        """

    def next_due(self, since: datetime | None = None) -> NextDue:
        """Return when to claim next. Lanes that became due before *since* may be missed."""

    def read(self, lease: LaneLease, limit: int, retention: timedelta) -> LaneWork:
        """Return the lane's state and its next events.

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
        """Write the outcomes of a batch and extend the lease.

        If the stream was edited or resumed since it was read, failed events are due at once and failures are not
        counted.

        Raises: LeaseLost: nothing was written.
        """

    def is_settled(self, lease: LaneLease, tried: Sequence[Attempt]) -> bool:
        """Return whether *tried* is stored under this lease, by a commit whose response was lost.

        Raises: LeaseLost.
        """

    def renew(self, lease: LaneLease, extend: timedelta) -> None:
        """Extend the lease and change nothing else.

        Raises: LeaseLost.
        """

    def release(self, lease: LaneLease) -> None:
        """Release the lane. This does nothing if the lease is lost."""

    def release_all(self) -> None:
        """End all leases. Only for the start of a process that is the only one on its database."""

    def stop_stream(
        self, lease: LaneLease, work: LaneWork, settlement: Settlement, tried: Sequence[Attempt], stop: StreamStop
    ) -> list[WokenLane]:
        """Settle a batch whose responses stop the stream, and release the lane.

        A stream that was edited or resumed since it was read is not stopped, because the responses are to its earlier
        state.

        Returns: the lanes in which the notice was queued.
        Raises:  LeaseLost: nothing was written.
        """


class Installation(Protocol):
    """One transaction over the whole installation: for delivery, and for data that belong to no account."""

    accounts: Accounts
    account_deletions: AccountDeletions
    tokens: Tokens
    sessions: Sessions
    keys: Keys
    receivers: Receivers
    lanes: Lanes
    coalescing: Coalescing
    retention: Retention
    purging: Purging
    due_levels: DueLevels
    notifications: DueNotifications
    nodes: Nodes
    clock: DatabaseClock
    engine: EngineCare

    def audit_of(self, owner: AccountId | None) -> Audit:
        """Return the audit log of one account, or with None that of the installation."""

    def replays_of(self, account_id: AccountId) -> Replays:
        """Return the replays of one account."""

    def integration(self, integration_id: IntegrationId) -> Integration | None:
        """Return an integration of any account, by the id in its well-known URL."""

    def undelivered(self, streams: Sequence[tuple[AccountId, StreamId]]) -> list[LaneKey]:
        """Return the lanes of *streams* with undelivered events."""

    def idle_streams(self, timeout: timedelta, limit: int) -> list[Stream]:
        """Return receivers' enabled streams that were not active for *timeout*, by the database's clock."""

    def abandoned_writes(self, limit: int) -> list[AccountId]:
        """Return accounts whose large write belongs to a process that no longer renews its lease."""

    def running_erasures(self, limit: int) -> list[tuple[AccountId, UserId]]:
        """Return erasures of users of all accounts that are not finished, the oldest first."""

    def running_bulk_resets(self, pause: timedelta, limit: int) -> list[DueReset]:
        """Return running bulk resets of all accounts, the oldest first.

        Args:
            pause: the time between two steps, as in `BulkResets.take_step`.
        """

    def ledgers(self) -> list[Ledger]:
        """Return the ledger of each stream, counted from the rows and not only from the lanes' counters."""

    def ailing_rules(self, limit: int) -> list[AilingRule]:
        """Return the first *limit* enabled rules of all accounts that are stopped or have failed."""

    def shadowed_users(self, limit: int) -> list[ShadowedUser]:
        """Return the first *limit* users with a level whose mailbox another user has, account by account."""

    def database(self) -> DatabaseFacts:
        """Return the database's version and clock."""

    def survey(self) -> Survey:
        """Return the counts for monitoring. This takes a few statements, none of which reads the log of events."""
