"""The world outside: clock, randomness, database, signer, push client, observers; and all of it in one piece."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor, StoredToken
from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.survey import Survey
from riskrelay.core.integrations import AccountId, CertificateFacts, OpenedTls, ReceiverTls
from riskrelay.core.keys import Algorithm
from riskrelay.core.quotas import Quotas
from riskrelay.core.rate_limits import Allowance
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.places import Place
from riskrelay.core.sources.signals import Name
from riskrelay.core.sources.sources import Counts
from riskrelay.core.ssf.outcomes import Outcome
from riskrelay.core.ssf.streams import Stream, StreamId
from riskrelay.ports.account import Transaction
from riskrelay.ports.installation import Installation

T = TypeVar("T")
R = TypeVar("R")


class Clock(Protocol):
    """The time of this machine."""

    def now(self) -> datetime:
        """The moment, aware UTC."""

    def monotonic(self) -> float:
        """Seconds that only ever grow, from an arbitrary start."""

    async def sleep(self, seconds: float) -> None:
        """Return when so much time has passed."""


class Ids(Protocol):
    """Randomness."""

    def uuid(self) -> str:
        """A fresh UUIDv4 in its canonical form."""

    def ordered_uuid(self) -> str:
        """A fresh UUIDv7 (RFC 9562 §5.7), for keys of rows: later ones sort behind earlier ones, to the millisecond, so
        that new rows fill the pages of an index one after the other."""

    def secret(self) -> str:
        """256 fresh random bits, base64url without padding."""

    def jitter(self) -> float:
        """A fresh number from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLoad:
    """How busy one process's end of the database is.

    Attributes:
        waiting: transactions that wait for the writer, or for a connection.
        connections_in_use, connections: of the pool; with the embedded store of its readers.
        transactions, commits: writes that were made, and durable commits that carried them; several share one where
            writes are grouped.
        disk_free_bytes: where the database's file is; None when that is another machine's.
        wal_bytes: size of the embedded store's write-ahead log; None with PostgreSQL.
    """

    waiting: int
    connections_in_use: int
    connections: int
    transactions: int
    commits: int
    disk_free_bytes: int | None
    wal_bytes: int | None


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

    async def require_writable(self, *, thorough: bool = False) -> None:
        """Write something that changes no row. It takes two seconds at most; calls within a moment share one write.

        Args:
            thorough: let a table of PostgreSQL grow for it; the embedded store's disk is asked for room in any case.

        Raises: Unavailable: the database takes no writes now; `cause` says why.
        """

    async def close(self) -> None:
        """Finish what runs and close the connections."""

    def load(self) -> StoreLoad:
        """How busy this process's end of the database is. Costs nothing: no transaction."""


class Signer(Protocol):
    """Signs SETs with the current key of an algorithm."""

    async def sign(self, payloads: Sequence[bytes], algorithm: Algorithm) -> list[bytes]:
        """The compact JWS of each payload, all with one key.

        Raises: Unavailable: no key can be read; nothing unsigned is ever returned.
        """


class Pusher(Protocol):
    """Pushes one SET."""

    async def push(self, endpoint_url: str, token: bytes, authorization: str | None, tls: OpenedTls | None) -> Outcome:
        """One HTTP request; never raises: what went wrong is the outcome.

        Args:
            authorization: the value of the `Authorization` header; None: none is sent. It is in no outcome.
            tls: what the receiver's integration has of its own; None: the system's authorities, and no certificate.
                Connections are shared by pushes with the same only.
        """


class Targets(Protocol):
    """The rules about where may be pushed to."""

    def problem(self, endpoint_url: str) -> str | None:
        """What is wrong with a URL to push to, as far as its text tells; None when nothing is.

        A host name is judged when it is dialled, because only then it is known where it leads.
        """


class Vault(Protocol):
    """Encrypts the secrets of others at rest."""

    def seal(self, secret: bytes, row: str) -> bytes:
        """Encrypt and authenticate *secret*, bound to the row of that name (`core.keys.sealed_row`)."""

    def open(self, sealed: bytes, row: str) -> bytes:
        """The secret.

        Raises: Misconfigured: it was sealed under another master key, or for another row.
        """


class TlsMaterials(Protocol):
    """Reads the certificates and the key that an account gives for its receivers."""

    def read(self, given: OpenedTls, row: str) -> ReceiverTls:
        """Judge them and seal the key, bound to the row of that name.

        Raises: Invalid: one fault per mistake, at `/ca`, `/certificate` or `/key`, with what to change.
        """

    def facts(self, pem: str | None) -> list[CertificateFacts]:
        """What may be shown of the certificates in *pem*, in its order; of None nothing.

        Raises: ValueError: they cannot be read.
        """


class Listening(Protocol):
    """Somebody who waits for a stream to get events.

    Attributes:
        is_open: whether waiting makes sense: no when too many wait already, or when the process ends.
    """

    is_open: bool

    async def wait(self, at_most: timedelta) -> bool:
        """Return when the stream has got something since the last call, or False when the time is over."""


class Bell(Protocol):
    """Wakes those of this process who wait for a stream to get events."""

    def listen(self, account_id: AccountId, stream_id: StreamId) -> AbstractContextManager[Listening]:
        """Hear of everything that the stream gets from now on."""

    def listened(self) -> list[tuple[AccountId, StreamId]]:
        """List the streams that somebody listens to."""

    def ring(self, lanes: Sequence[LaneKey]) -> None:
        """Say that *lanes* have got something."""


class RateLimits(Protocol):
    """What each holder of a credential may still send, as far as this process has seen."""

    def refusal(self, holder: bytes) -> Allowance | None:
        """The refusal of a request of *holder*, when it is known that nothing is left; None otherwise."""

    def spend(self, holder: bytes) -> Allowance | None:
        """Count one request of *holder*; None when nothing is limited."""


class TokenUses(Protocol):
    """Remembers that tokens were used; they are written down later, many at once."""

    def note(self, token: StoredToken, at: datetime) -> None:
        """Remember a use. Never waits and never fails."""


class FindingCounter(Protocol):
    """Remembers how many findings there were; they are written down later, many at once, for the console's charts."""

    def note(self, account_id: AccountId, counts: Mapping[BehaviorId, int], at: datetime) -> None:
        """Remember one request's. Never waits and never fails."""


class MissedNameCounter(Protocol):
    """Remembers names that a directory did not have; they are written down later, many at once."""

    def note(self, account_id: AccountId, names: Mapping[Name, int], at: datetime) -> None:
        """Remember how many signals of one request were lost, by name. Never waits and never fails."""


class UserCounts(Protocol):
    """Remembers how many users each account has, so that a quota costs no query."""

    def set(self, account_id: AccountId, users: int) -> None:
        """Take over what was counted in the database."""

    def add(self, account_id: AccountId, users: int) -> None:
        """Add users that this process has stored."""

    def get(self, account_id: AccountId) -> int:
        """Return the number of users; 0 before the first count."""


class Gathering(Protocol):
    """Lets requests of one kind that wait at the same time go to the database together."""

    async def join(
        self, kind: Hashable, request: T, answer: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]]
    ) -> R:
        """The answer to *request*, found after this call began.

        Args:
            kind: of these one group is answered at a time; what comes meanwhile makes up the next.
            answer: answers a whole group, in its order; an exception is raised to the one whose it is.
        """


class Geolocator(Protocol):
    """Knows where addresses are."""

    def locate(self, ip: str) -> Place | None:
        """Return what is known of an address; None: nothing, or it is private.

        It takes microseconds, and never waits.
        """


class NoGeolocation:
    """Implements Geolocator where no database is configured."""

    def locate(self, ip: str) -> Place | None:
        return None


class Metrics(Protocol):
    """What monitoring counts."""

    content_type: str

    def count_findings(self, accepted: int, duplicates: int, ignored: int) -> None:
        """Count one request's findings."""

    def count_activity(self, accepted: int, duplicates: int, ignored: int, late: int) -> None:
        """Count one request's activity."""

    def count_source_events(self, kind: str, counts: Counts) -> None:
        """Count what became of one request's events of a source of that kind."""

    def count_refused_authentication(self, reason: str) -> None:
        """Count one request whose credentials were refused.

        Args:
            reason: no_credentials, malformed, unknown or forbidden.
        """

    def count_receiver_refusal(self, operation: str, error: str) -> None:
        """Count one request of a receiver that was refused.

        Args:
            operation: a `ReceiverOperation`.
            error: the code in the answer.
        """

    async def exposition(self, survey: Survey | None, load: StoreLoad, *, writable: bool) -> bytes:
        """Everything counted, with the database as it was found, in Prometheus' text form.

        Args:
            survey: None: the database does not answer.
            writable: whether it takes writes.
        """


class Observer(Protocol):
    """Hears what happened, after it is durable. Never waits, and never fails: delivery does not depend on it."""

    def attempted(self, lane: LaneKey, stream: Stream, attempts: Sequence[Attempt]) -> None:
        """Attempts on one lane, in the order they ended, were settled."""


Wake = Callable[[Sequence[LaneKey]], None]
"""Tells this process's worker that lanes have work. Losing it loses nothing: the worker also looks by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What every action needs, in one piece."""

    store: Store
    clock: Clock
    ids: Ids
    metrics: Metrics
    observer: Observer
    wake: Wake
    rate_limits: RateLimits
    token_uses: TokenUses
    finding_counts: FindingCounter
    missed_names: MissedNameCounter
    user_counts: UserCounts
    gathering: Gathering
    quotas: Quotas = field(default_factory=Quotas)
    geolocator: Geolocator = field(default_factory=NoGeolocation)

    def audit_entry(
        self, actor: Actor, verb: Verb, kind: Kind, thing_id: str, *, at: datetime | None = None
    ) -> AuditEntry:
        """Return a new entry of the audit log.

        Args:
            at: when it was done; None: now.
        """
        return AuditEntry(
            entry_id=self.ids.uuid(),
            at=at or self.clock.now(),
            actor=actor,
            verb=verb,
            kind=kind,
            thing_id=thing_id,
        )
