"""What a transaction bound to one account offers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from riskrelay.core.audit import AuditEntry, Kind
from riskrelay.core.delivery.attempts import Attempt, Delivery, DeliveryState
from riskrelay.core.delivery.lanes import LaneKey, LaneLease, LaneWork, Settlement
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.findings import FindingId, UserId, UserRef
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.access import AccessToken, CredentialId, ReceiverCredential
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequestId
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.refused_requests import ReceiverOperation, RefusedRequest
from riskrelay.core.ssf.streams import Party, Stream, StreamId, StreamStatus
from riskrelay.core.ssf.subject_filters import SubjectStatement
from riskrelay.ports.activity import Activities, Detection
from riskrelay.ports.console import Stocks, UserViews
from riskrelay.ports.deliveries import DeliveryViews
from riskrelay.ports.directory import Directory, MissedNames
from riskrelay.ports.findings import RecordedFinding
from riskrelay.ports.large_writes import LargeWrites
from riskrelay.ports.operating import DeliveryHealth, Replays
from riskrelay.ports.sources import Sources

AuditPlace = tuple[datetime, str]
"""The time and the id of an entry: its place in the log."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UserProfile:
    """A user and what was found about them.

    Attributes:
        findings: a page of those since the last reset, the latest first.
    """

    standing: Standing
    findings: Sequence[RecordedFinding]


class Integrations(Protocol):
    """The account's integrations; deleted ones are invisible."""

    def add(self, integration: Integration) -> None:
        """Store a new one, whose reference id is free.

        When another transaction takes that id at the same time, the whole of this one runs again.
        """

    def update(self, integration: Integration) -> None:
        """Overwrite everything that can change: reference_id, tenant_url, active, algorithm, pause, limits and TLS.

        Raises: Invalid: another record holds its reference id.
        """

    def delete(self, integration_id: IntegrationId, at: datetime) -> None:
        """Make it invisible and forget its private key; its streams and their ledger stay."""

    def get(self, integration_id: IntegrationId) -> Integration | None:
        """The one with that id, locked against other writers in a writing transaction."""

    def by_reference(self, reference_id: str) -> Integration | None:
        """The one with that reference id."""

    def all(self) -> list[Integration]:
        """Every one, oldest first."""


class Streams(Protocol):
    """The streams of the account's integrations, whoever made them; deleted ones are invisible."""

    def add(self, stream: Stream) -> None:
        """Store a new one and its lanes."""

    def taking_events(self) -> list[Stream]:
        """Streams of active integrations, with what their receivers said about subjects: new events are queued on
        these. What is queued on a disabled one is cancelled in the same moment."""

    def of_integration(self, integration_id: IntegrationId) -> list[Stream]:
        """Every stream of one integration, oldest first."""

    def set_status(self, stream_id: StreamId, status: StreamStatus, reason: str | None, by: Party) -> None:
        """Change a stream's status; `refresh_lanes` makes delivery follow."""

    def pause_if_idle(self, stream_id: StreamId, timeout: timedelta, reason: str) -> bool:
        """Pause a receiver's stream that was not active for *timeout*; whether it was."""

    def refresh_lanes(self, changed: Stream, *, is_fixed: bool) -> list[LaneKey]:
        """Let the lanes of a stream follow what it is now: claimable or not.

        Args:
            is_fixed: somebody has perhaps mended what failed: no wait counts any more, and no answer to an attempt
                that began before.

        Returns: those from which events may be sent at once.
        """

    def cancel_backlog(self, stream: Stream, numbers: Collection[int], reason: str) -> int:
        """Mark everything undelivered of some of its lanes as cancelled; how many events that were."""


class ReceiverStreams(Protocol):
    """What receivers do with the streams they made; implicit and deleted ones are invisible."""

    def get(self, integration_id: IntegrationId, stream_id: StreamId) -> Stream | None:
        """The one with that id, locked in a writing transaction."""

    def save(self, stream: Stream) -> None:
        """Overwrite its configuration."""

    def delete(self, stream_id: StreamId, at: datetime) -> None:
        """Make it invisible; its ledger stays."""

    def note_activity(self, stream_id: StreamId) -> None:
        """Start its inactivity timeout again, by the database's clock, to the minute."""

    def may_verify(self, stream_id: StreamId, interval: timedelta) -> bool:
        """Note a request for verification; False, and nothing is noted, when the last one is not *interval* ago."""

    def statements(self, stream_id: StreamId) -> list[SubjectStatement]:
        """What its receiver said about subjects, in any order."""

    def state(self, stream_id: StreamId, subject: Mapping[str, Any], is_removed: bool | None) -> None:
        """Note what the receiver says about *subject* now, as the last statement; None: forget what it said."""


class ReceiverCredentials(Protocol):
    """What the receivers of the account's integrations authenticate with."""

    def add(self, credential: ReceiverCredential) -> None:
        """Store a new one."""

    def all(self, integration_id: IntegrationId) -> list[ReceiverCredential]:
        """Those of one integration, oldest first."""

    def get(self, integration_id: IntegrationId, credential_id: CredentialId) -> ReceiverCredential | None:
        """One of them, locked in a writing transaction."""

    def revoke(self, integration_id: IntegrationId, credential_id: CredentialId) -> bool:
        """Forget one and its access tokens.

        Returns: False when there was none.
        """

    def add_access_token(self, token: AccessToken) -> None:
        """Store an access token's hash."""

    def forget_access_tokens(self, client: ReceiverCredential, now: datetime, keep: int) -> None:
        """Forget the client's access tokens that have expired, and of the living ones all but the *keep* youngest."""


class Users(Protocol):
    """The account's users, keyed by e-mail without regard to letter case."""

    def find(self, references: Sequence[UserRef]) -> dict[str, Standing]:
        """Find users, and lock them.

        Returns: by email_key, those that are there.
        Raises: UserMismatch: a reference's user_id is not the one of the user with its e-mail.
        """

    def add(self, standings: Collection[Standing]) -> None:
        """Store new ones. When another transaction has stored one of them meanwhile, this one runs again."""

    def get(self, user_id: UserId) -> Standing | None:
        """The user, locked in a writing transaction."""

    def at_risk(self, after: UserId, limit: int) -> list[Standing]:
        """Return the first *limit* users with an id behind *after* that have triggered something since the last reset,
        in the order of their ids."""

    def save(self, standings: Collection[Standing]) -> None:
        """Write everything of them that can change."""

    def summary(self, offset: int, limit: int) -> tuple[list[Standing], int]:
        """A page of the users that have a level, and how many there are.

        Returns: highest level first; within a level the latest event first.
        """

    def profile(self, user_id: UserId, offset: int, limit: int) -> UserProfile | None:
        """Return the user with *limit* findings since their last reset, behind the latest *offset* ones."""


class Findings(Protocol):
    """The account's findings."""

    def add(self, recorded: Sequence[RecordedFinding]) -> None:
        """Store new ones. When another transaction has stored one of the ids meanwhile, this one runs again."""

    def digests(self, finding_ids: Collection[FindingId]) -> dict[FindingId, bytes]:
        """The digests of stored findings among those ids."""

    def get(self, finding_ids: Collection[FindingId]) -> list[RecordedFinding]:
        """The stored findings among those ids, in no order."""

    def replace(self, old: Collection[FindingId], new: Sequence[RecordedFinding]) -> None:
        """Delete *old* and store *new*, over what has the same id."""

    def trim(self, user_id: UserId, keep: int, limit: int) -> int:
        """Delete the oldest findings of a user who has more than *keep*, at most *limit*; how many that were."""

    def tally(self, user_ids: Collection[UserId]) -> dict[UserId, tuple[int, datetime | None]]:
        """How many findings each of those users has had since the last reset, and when the latest was seen."""


class Behaviors(Protocol):
    """What the account decided about behaviors, and behaviors of its own."""

    def stored(self) -> dict[BehaviorId, BehaviorSetting]:
        """The settings that were ever changed, and those of every behavior of the account's own, retired ones too."""

    def save(self, settings: Mapping[BehaviorId, BehaviorSetting]) -> None:
        """Insert or overwrite."""


class Polls(Protocol):
    """Reading and settling the lanes of streams that are polled: without a lease, in one transaction."""

    def peek(self, key: LaneKey, limit: int, retention: timedelta) -> LaneWork:
        """The lane's state and its next events, without owning it."""

    def take(self, key: LaneKey) -> LaneLease:
        """Own the lane until the transaction ends, whoever else works on it: their writes touch nothing."""

    def settle(
        self,
        lease: LaneLease,
        work: LaneWork,
        settlement: Settlement,
        tried: Sequence[Attempt],
        extend: timedelta,
    ) -> None:
        """Write down what a receiver said of earlier events.

        Raises: LeaseLost: nothing was written.
        """


class Events(Protocol):
    """The append-only log of queued security events."""

    def queue(self, signals: Sequence[Signal]) -> list[LaneKey]:
        """Append to the lanes of the signals' streams; on a disabled stream they are cancelled at once.

        Returns: the lanes that got something to send, to wake their worker after the commit.
        """

    def deliveries(
        self,
        integration_id: IntegrationId,
        state: DeliveryState | None,
        after: tuple[StreamId, int, int] | None,
        limit: int,
    ) -> list[Delivery]:
        """Deliveries with their attempts, newest first, after the one at (stream, lane, seq)."""

    def delivery(self, integration_id: IntegrationId, jti: Jti) -> Delivery | None:
        """The one with that jti, with its attempts."""


class Audit(Protocol):
    """An append-only log of changes: one account's, or the installation's own."""

    def record(self, entry: AuditEntry) -> None:
        """Append."""

    def page(self, kind: Kind | None, after: AuditPlace | None, limit: int) -> list[AuditEntry]:
        """Entries newest first, of one kind or of all, after the one at *after*."""


class EventRequests(Protocol):
    """Which events callers asked for under an id of theirs, and what was answered."""

    def add(self, request_id: EventRequestId, answer: AnsweredRequest) -> AnsweredRequest:
        """Store *answer*, unless there is one under that id already.

        Returns: the answer that is stored.
        """


class RefusedRequests(Protocol):
    """What the receivers of the account's integrations were refused: the last request of each operation."""

    def save(self, integration_id: IntegrationId, refused: RefusedRequest) -> None:
        """Store what was refused last, in place of an earlier one of the same operation."""

    def forget(self, integration_id: IntegrationId, operation: ReceiverOperation) -> None:
        """Remove what was refused of an operation that has succeeded since."""

    def by_integration(self, integration_id: IntegrationId | None) -> Mapping[IntegrationId, Sequence[RefusedRequest]]:
        """Those of one integration or of all, the latest first; an integration without any is absent."""


class Transaction(Protocol):
    """One transaction, bound to one account: no statement can forget it."""

    def compute(self, work: Callable[[], T]) -> T:
        """Run *work*, which can take long and touches no transaction, off the event loop, and return its result."""

    integrations: Integrations
    streams: Streams
    receiver_credentials: ReceiverCredentials
    receiver_streams: ReceiverStreams
    refused_requests: RefusedRequests
    polls: Polls
    users: Users
    findings: Findings
    behaviors: Behaviors
    activities: Activities
    large_writes: LargeWrites
    detection: Detection
    directory: Directory
    missed_names: MissedNames
    events: Events
    event_requests: EventRequests
    replays: Replays
    sources: Sources
    health: DeliveryHealth
    delivery_views: DeliveryViews
    user_views: UserViews
    stocks: Stocks
    audit: Audit
