"""Interfaces to clock, randomness, database, signer, push client and observers; `Services` holds them all."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor, StoredToken
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.integrations import AccountId, CertificateFacts, OpenedTls, ReceiverTls
from riskrelay.core.keys import Algorithm
from riskrelay.core.quotas import Quotas
from riskrelay.core.rate_limits import Allowance
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.places import Place
from riskrelay.core.risk.quiet_findings import QuietFindings
from riskrelay.core.sources.signals import Name
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.core.ssf.streams import StreamId
from riskrelay.ports.account import Transaction
from riskrelay.ports.installation import Installation
from riskrelay.ports.rules import NoRuleEvaluator, RuleEvaluator
from riskrelay.ports.telemetry import Metrics, Observer, StoreLoad

T = TypeVar("T")
R = TypeVar("R")


class Clock(Protocol):
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the current time, aware UTC."""

    def monotonic(self) -> float:
        """Return the monotonic time in seconds, from an arbitrary start."""

    async def sleep(self, seconds: float) -> None:
        """Wait for *seconds*."""


class Ids(Protocol):
    """Randomness."""

    def uuid(self) -> str:
        """Return a new UUIDv4 in its canonical form."""

    def ordered_uuid(self) -> str:
        """Return a new UUIDv7 (RFC 9562 §5.7) for keys of rows.

        It sorts after earlier ones, to the millisecond, so that new rows are appended to an index.
        """

    def secret(self) -> str:
        """Return 256 new random bits, base64url without padding."""

    def jitter(self) -> float:
        """Return a new random number from 0 to 1."""


class Store(Protocol):
    """The database. Each method runs a function in one transaction, off the event loop.

    Raises: Unavailable: the database refused, and nothing was done. Errors of the function pass through, and its
        transaction is rolled back.
    """

    async def write(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        """Run *work* and commit durably. It may run again after a conflict, so it must have no other effect."""

    async def read(self, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
        """Run *work* over the committed data."""

    async def write_installation(self, work: Callable[[Installation], T]) -> T:
        """Run *work* as `write` does, over the installation."""

    async def read_installation(self, work: Callable[[Installation], T]) -> T:
        """Run *work* as `read` does, over the installation."""

    async def require_writable(self, *, thorough: bool = False) -> None:
        """Make a write that changes no row, in at most two seconds. Concurrent calls share one write.

        Args:
            thorough: also let a table of PostgreSQL grow. SQLite's disk is always checked for space.

        Raises: Unavailable: the database accepts no writes now; `cause` is the reason.
        """

    async def close(self) -> None:
        """Wait for running transactions and close the connections."""

    def load(self) -> StoreLoad:
        """Return the load of the database, as this process sees it, without a transaction."""


class Signer(Protocol):
    """Signs SETs with the current key of an algorithm."""

    async def sign(self, payloads: Sequence[bytes], algorithm: Algorithm) -> list[bytes]:
        """Return the compact JWS of each payload, all signed with the same key.

        Raises: Unavailable: no key can be read.
        """


class Pusher(Protocol):
    """Pushes one SET."""

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        """Push one SET by one HTTP request. Failures are returned as outcomes and not raised.

        Args:
            authorization: the value of the `Authorization` header; None: no header. No outcome contains it.
            tls: the certificates of the receiver's integration; None: the system's authorities and no client
                certificate. Only pushes with the same certificates share connections.
        """


class Targets(Protocol):
    """The rules for the targets of pushes."""

    def problem(self, endpoint_url: str) -> str | None:
        """Return the problem of a URL to push to; None if its text is valid.

        The addresses of a host name are checked when it is dialled, because they can change.
        """


class Vault(Protocol):
    """Encrypts stored secrets of accounts and receivers."""

    def seal(self, secret: bytes, row: str) -> bytes:
        """Encrypt and authenticate *secret*, bound to the row of that name (`core.keys.sealed_row`)."""

    def open(self, sealed: bytes, row: str) -> bytes:
        """Decrypt a secret.

        Raises: Misconfigured: it was sealed under another master key, or for another row.
        """


class TlsMaterials(Protocol):
    """Reads the certificates and the key that an account sets for its receivers."""

    def read(self, given: OpenedTls, row: str) -> ReceiverTls:
        """Check the certificates and the key, and seal the key, bound to the row of that name.

        Raises: Invalid: one fault per mistake, at `/ca`, `/certificate` or `/key`, with the fix.
        """

    def facts(self, pem: str | None) -> list[CertificateFacts]:
        """Return the public facts of the certificates in *pem*, in their order; none for None.

        Raises: ValueError: the certificates cannot be read.
        """


class Listening(Protocol):
    """One request that waits for events of a stream.

    Attributes:
        is_open: whether the request may wait. It may not if too many requests wait, or if the process ends.
    """

    is_open: bool

    async def wait(self, at_most: timedelta) -> bool:
        """Wait until the stream has got events since the last call.

        Returns: False after *at_most*.
        """


class Bell(Protocol):
    """Wakes the requests of this process that wait for events of a stream."""

    def listen(self, account_id: AccountId, stream_id: StreamId) -> AbstractContextManager[Listening]:
        """Start to wait for events that the stream gets from now on."""

    def listened(self) -> list[tuple[AccountId, StreamId]]:
        """Return the streams for which requests wait."""

    def ring(self, lanes: Sequence[WokenLane]) -> None:
        """Wake the requests that wait for events of *lanes*."""


class RateLimits(Protocol):
    """The rate limit of each credential, as this process counts."""

    def refusal(self, holder: bytes) -> Allowance | None:
        """Return the refusal of a request of *holder* if its quota is used up, otherwise None."""

    def spend(self, holder: bytes) -> Allowance | None:
        """Count one request of *holder*. Return None if no limit is configured."""


class TokenUses(Protocol):
    """Collects the uses of tokens, which are stored later, many at once."""

    def note(self, token: StoredToken, at: datetime) -> None:
        """Add a use. This never waits and never fails."""


class KnownTokens(Protocol):
    """Tokens of accounts that this process has found lately.

    They may have been revoked since, on any node. So a transaction that acts for one checks that it still exists.
    """

    def find(self, token_hash: bytes) -> StoredToken | None:
        """Return a token that existed; None: query it."""

    def keep(self, token: StoredToken) -> None:
        """Keep a token that exists."""

    def forget(self, token_hash: bytes) -> None:
        """Forget a token that was revoked."""


class FindingCounter(Protocol):
    """Counts findings for the console's charts. The counts are stored later, many at once."""

    def note(self, account_id: AccountId, counts: Mapping[BehaviorId, int], at: datetime) -> None:
        """Add the counts of one request. This never waits and never fails."""


class MissedNameCounter(Protocol):
    """Counts names that a directory did not have. The counts are stored later, many at once."""

    def note(self, account_id: AccountId, names: Mapping[Name, int], at: datetime) -> None:
        """Add the lost signals of one request, by name. This never waits and never fails."""


class UserCounts(Protocol):
    """Counts the users of each account, so that a quota costs no query."""

    def set(self, account_id: AccountId, users: int) -> None:
        """Set the count of the database."""

    def add(self, account_id: AccountId, users: int) -> None:
        """Add users that this process has stored."""

    def get(self, account_id: AccountId) -> int:
        """Return the number of users; 0 before the first count."""


class Gathering(Protocol):
    """Groups concurrent requests of one kind, so that they share a transaction."""

    async def join(
        self, kind: Hashable, request: T, answer: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]
    ) -> R:
        """Return the answer to *request*, computed after this call began.

        Args:
            kind: one group of each kind is answered at a time. Requests that arrive meanwhile form the next group.
            answer: answers a group, in its order. An exception among the answers is raised in its own request.
        """


class Geolocator(Protocol):
    """Finds the places of IP addresses."""

    def locate(self, ip: str) -> Place | None:
        """Return the place of an address; None if it is unknown or private.

        This takes microseconds and never waits.
        """


class NoGeolocation:
    """Implements Geolocator if no database of places is configured."""

    def locate(self, ip: str) -> Place | None:
        return None


Wake = Callable[[Sequence[WokenLane]], None]
"""Notifies this process's worker that lanes have work, and hands it new events. Call it after the commit.

A lost wake loses no event: the worker also scans.
"""

Foresee = Callable[[Sequence[WokenLane]], None]
"""Announces events that the running transaction hands over if it commits, so that they are signed meanwhile.

Call it in the transaction. It returns at once.
"""


def foresee_nothing(lanes: Sequence[WokenLane]) -> None:
    """Announce nothing: every event is signed after its commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The dependencies of actions."""

    store: Store
    clock: Clock
    ids: Ids
    metrics: Metrics
    observer: Observer
    wake: Wake
    rate_limits: RateLimits
    token_uses: TokenUses
    known_tokens: KnownTokens
    finding_counts: FindingCounter
    missed_names: MissedNameCounter
    user_counts: UserCounts
    gathering: Gathering
    foresee: Foresee = foresee_nothing
    quotas: Quotas = field(default_factory=Quotas)
    geolocator: Geolocator = field(default_factory=NoGeolocation)
    rule_evaluator: RuleEvaluator = field(default_factory=NoRuleEvaluator)
    quiet: QuietFindings = field(default_factory=QuietFindings)

    def audit_entry(
        self,
        actor: Actor,
        verb: Verb,
        kind: Kind,
        thing_id: str,
        *,
        at: datetime | None = None,
        note: str | None = None,
    ) -> AuditEntry:
        """Return a new entry of the audit log.

        Args:
            at: the time of the change; None: now.
            note: the person's reason, or the extent of the change.
        """
        return AuditEntry(
            entry_id=self.ids.uuid(),
            at=at or self.clock.now(),
            actor=actor,
            verb=verb,
            kind=kind,
            thing_id=thing_id,
            note=note,
        )
