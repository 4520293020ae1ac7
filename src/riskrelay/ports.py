"""What the core and the actions need from outside, as small Protocols.

A transaction is a plain function over a `Transaction`: it cannot await, so no remote call can ever happen inside one
(ADR 0002). `storage` implements these for SQLite and PostgreSQL; one suite holds both to the same behaviour.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from riskrelay.credentials import Account, StoredToken, TokenId
from riskrelay.delivery.attempts import Attempt, Delivery, DeliveryState, Ledger
from riskrelay.delivery.lanes import LaneKey, LaneLease, LaneWork, Settlement
from riskrelay.integrations import AccountId, Integration, IntegrationId
from riskrelay.keys import SealedKey
from riskrelay.risk.assessment import Standing
from riskrelay.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.risk.findings import FindingId, UserId, UserRef
from riskrelay.risk.levels import RiskLevel
from riskrelay.signals import Signal
from riskrelay.ssf.outcomes import Outcome
from riskrelay.ssf.streams import Stream, StreamId, StreamStatus

T = TypeVar("T")


class Clock(Protocol):
    """The time of this machine."""

    def now(self) -> datetime:
        """The moment, aware UTC."""

    def monotonic(self) -> float:
        """Seconds that only ever grow, from an arbitrary start."""


class Ids(Protocol):
    """Randomness."""

    def uuid(self) -> str:
        """A fresh UUIDv4 in its canonical form."""

    def secret(self) -> str:
        """256 fresh random bits, base64url without padding."""

    def jitter(self) -> float:
        """A fresh number from 0 to 1."""


@dataclass(frozen=True, slots=True)
class RecordedFinding:
    """A finding as it is stored: with an id, a time and a user of the account."""

    finding_id: FindingId
    user_id: UserId
    behavior: BehaviorId
    risk_level: RiskLevel
    occurred_at: datetime
    recorded_at: datetime
    details_json: str | None
    digest: bytes


class Integrations(Protocol):
    """The account's integrations; deleted ones are invisible."""

    def add(self, integration: Integration) -> None:
        """Store a new one.

        Raises: Invalid: another record holds its reference id.
        """

    def update(self, integration: Integration) -> None:
        """Overwrite reference_id, tenant_url and active.

        Raises: Invalid: another record holds its reference id.
        """

    def delete(self, integration_id: IntegrationId, at: datetime) -> None:
        """Make it invisible; its streams and their ledger stay."""

    def get(self, integration_id: IntegrationId) -> Integration | None:
        """The one with that id, locked against other writers in a writing transaction."""

    def by_reference(self, reference_id: str) -> Integration | None:
        """The one with that reference id."""

    def all(self) -> list[Integration]:
        """Every one, oldest first."""


class Streams(Protocol):
    """The streams of the account's integrations."""

    def add(self, stream_id: StreamId, integration_id: IntegrationId, lane_count: int) -> None:
        """Store a new enabled stream and its lanes."""

    def taking_events(self) -> list[Stream]:
        """Streams of active integrations that are enabled or paused: new events are queued on these."""

    def set_status(self, integration_id: IntegrationId, status: StreamStatus, reason: str | None) -> None:
        """Change the status of all streams of one integration."""

    def refresh_lanes(self, integration_id: IntegrationId) -> list[LaneKey]:
        """Let the lanes follow what became of the integration and its streams: claimable or not.

        Returns: those that may be claimed at once.
        """

    def cancel_backlog(self, integration_id: IntegrationId) -> int:
        """Mark everything undelivered of one integration as cancelled; how many events that were."""


class Users(Protocol):
    """The account's users, keyed by e-mail without regard to letter case."""

    def ensure(self, references: Sequence[UserRef], new_id: Callable[[], str]) -> dict[str, Standing]:
        """Find or create users, and lock them.

        Returns: by email_key.
        Raises: UserMismatch: a reference's user_id is not the one of the user with its e-mail.
        """

    def get(self, user_id: UserId) -> Standing | None:
        """The user, locked in a writing transaction."""

    def at_risk(self) -> list[Standing]:
        """Every user that has triggered something since the last reset, locked."""

    def save(self, standings: Collection[Standing], reset_at: datetime | None = None) -> None:
        """Write name, level and triggered behaviors; and the reset's time when there is one."""


class Findings(Protocol):
    """The account's findings."""

    def add(self, recorded: Sequence[RecordedFinding]) -> set[FindingId]:
        """Store those whose id is not there yet.

        Returns: the ids that were stored.
        """

    def digests(self, finding_ids: Collection[FindingId]) -> dict[FindingId, bytes]:
        """The digests of stored findings among those ids."""


class Behaviors(Protocol):
    """What the account decided about behaviors."""

    def stored(self) -> dict[BehaviorId, BehaviorSetting]:
        """The settings that were ever changed."""

    def save(self, settings: Mapping[BehaviorId, BehaviorSetting]) -> None:
        """Insert or overwrite."""


class Events(Protocol):
    """The append-only log of queued security events."""

    def queue(self, signals: Sequence[Signal]) -> list[LaneKey]:
        """Append to the lanes of the signals' streams.

        Returns: the lanes that got something, to wake their worker after the commit.
        """

    def deliveries(
        self,
        integration_id: IntegrationId,
        state: DeliveryState | None,
        after: tuple[StreamId, int, int] | None,
        limit: int,
    ) -> list[Delivery]:
        """Deliveries with their attempts, newest first, after the one at (stream, lane, seq)."""


class Transaction(Protocol):
    """One transaction, bound to one account: no statement can forget it."""

    integrations: Integrations
    streams: Streams
    users: Users
    findings: Findings
    behaviors: Behaviors
    events: Events


class Accounts(Protocol):
    """The accounts of the installation and their tokens."""

    def add(self, account_id: AccountId, at: datetime) -> bool:
        """Create the account.

        Returns: False when it was there already.
        """

    def all(self) -> list[Account]:
        """Every account, oldest first."""

    def add_token(self, token: StoredToken) -> None:
        """Store a token's hash."""

    def tokens(self, account_id: AccountId | None) -> list[StoredToken]:
        """The tokens of one account or of all, oldest first."""

    def token_by_hash(self, token_hash: bytes) -> StoredToken | None:
        """The token with that hash."""

    def delete_token(self, token_id: TokenId) -> bool:
        """Forget a token.

        Returns: False when there was none.
        """


class Keys(Protocol):
    """The installation's signing keys, sealed under the master key."""

    def add(self, key: SealedKey) -> None:
        """Store a key."""

    def all(self) -> list[SealedKey]:
        """Every key, newest first: the first one signs."""


class Lanes(Protocol):
    """Claiming lanes and writing down what became of a batch. The lease clock is the database's."""

    def claim(self, limit: int, lease: timedelta) -> list[LaneLease]:
        """Take lanes that are due and free, the longest due first; each gets a new epoch."""

    def next_due_in(self) -> timedelta | None:
        """How long until some free lane is due; None when none waits."""

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
        """Write a batch down and extend the lease.

        Raises: LeaseLost: nothing was written.
        """

    def release(self, lease: LaneLease) -> None:
        """Give the lane back. Does nothing when the lease is lost."""

    def release_all(self) -> None:
        """End every lease: for a process that holds the database alone and has just started."""

    def stop_stream(self, lease: LaneLease, status: StreamStatus, outcome: Outcome) -> None:
        """Pause or disable the lane's stream because of what its receiver answered.

        Raises: LeaseLost.
        """


class Installation(Protocol):
    """One transaction over the whole installation: only for what belongs to no account, and for delivery."""

    accounts: Accounts
    keys: Keys
    lanes: Lanes

    def integration(self, integration_id: IntegrationId) -> Integration | None:
        """An integration of any account, by the id in its well-known URL."""

    def ledgers(self) -> list[Ledger]:
        """The ledger of every stream, counted from the rows (not from the lanes' counters alone)."""


class Store(Protocol):
    """The database. Every method runs the function it is given in one transaction, off the event loop.

    Raises: Unavailable: the database refused; nothing was done. What the function raises passes through, and
        nothing of its transaction stays.
    """

    async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        """Run *work* and commit durably. It may run again after a conflict: the transaction is its only effect."""

    async def read(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        """Run *work* over what is committed now."""

    async def write_installation(self, work: Callable[[Installation], T]) -> T:
        """As `write`, over the installation."""

    async def read_installation(self, work: Callable[[Installation], T]) -> T:
        """As `read`, over the installation."""

    async def close(self) -> None:
        """Finish what runs and close the connections."""


class Signer(Protocol):
    """Signs SETs with the newest key, off the event loop."""

    async def sign(self, payload: bytes) -> bytes:
        """The compact JWS of *payload*.

        Raises: Unavailable: no key can be read; nothing unsigned is ever returned.
        """


class Pusher(Protocol):
    """Pushes one SET."""

    async def push(self, endpoint_url: str, token: bytes) -> Outcome:
        """One HTTP request; never raises: what went wrong is the outcome."""


class Metrics(Protocol):
    """What monitoring counts."""

    content_type: str

    def count_findings(self, accepted: int, duplicates: int, ignored: int) -> None:
        """Count one request's findings."""

    def count_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Count one batch's attempts."""

    def exposition(self, ledgers: Sequence[Ledger]) -> bytes:
        """Everything counted, with *ledgers* as they are now, in Prometheus' text form."""


Wake = Callable[[Sequence[LaneKey]], None]
"""Tells this process's worker that lanes have work. Losing it loses nothing: the worker also looks by itself."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What every action needs, in one piece."""

    store: Store
    clock: Clock
    ids: Ids
    metrics: Metrics
    wake: Wake
