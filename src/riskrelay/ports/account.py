"""The operations of a transaction that is bound to one account."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.delivery.attempts import Attempt, Delivery, DeliveryState
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.delivery.lanes import LaneKey, LaneLease, LaneWork, Settlement
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.signals import Signal
from riskrelay.core.ssf.access import AccessToken, CredentialId, ReceiverCredential
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequestId
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.refused_requests import ReceiverOperation, RefusedRequest
from riskrelay.core.ssf.streams import Party, Stream, StreamId, StreamStatus
from riskrelay.core.ssf.subject_filters import SubjectStatement
from riskrelay.ports.activity import Activities, Detection
from riskrelay.ports.bulk_resets import BulkResets
from riskrelay.ports.console import Stocks, UserViews
from riskrelay.ports.deliveries import DeliveryViews
from riskrelay.ports.directory import Directory, MissedNames
from riskrelay.ports.erasures import Erasures, UserExports
from riskrelay.ports.exceptions import RiskExceptions
from riskrelay.ports.findings import Findings
from riskrelay.ports.history import LevelHistory
from riskrelay.ports.large_writes import LargeWrites
from riskrelay.ports.levels import Behaviors, Levels
from riskrelay.ports.notifications import Channels
from riskrelay.ports.operating import DeliveryHealth, Replays
from riskrelay.ports.rules import Rules, RuleUsers, RuleWork
from riskrelay.ports.sources import Sources
from riskrelay.ports.trials import Trials
from riskrelay.ports.users import Users

AuditPlace = tuple[datetime, str]
"""The time and the id of an entry: its place in the log."""

T = TypeVar("T")


class Integrations(Protocol):
    """The account's integrations; deleted ones are invisible."""

    def add(self, integration: Integration) -> None:
        """Store a new integration with an unused reference id.

        If another transaction takes that id at the same time, this whole transaction runs again.
        """

    def update(self, integration: Integration) -> None:
        """Overwrite the integration's changeable members: reference_id, tenant_url, active, algorithm, pause, limits
        and TLS.

        Raises: Invalid: another record holds its reference id.
        """

    def delete(self, integration_id: IntegrationId, at: datetime) -> None:
        """Mark the integration as deleted and delete its private key. Its streams and their ledger are kept."""

    def get(self, integration_id: IntegrationId) -> Integration | None:
        """Return the integration with that id. A writing transaction locks it."""

    def by_reference(self, reference_id: str) -> Integration | None:
        """Return the integration with that reference id."""

    def all(self) -> list[Integration]:
        """Return all integrations, oldest first."""


class Streams(Protocol):
    """The streams of the account's integrations, explicit and implicit, without deleted ones."""

    def add(self, stream: Stream) -> None:
        """Store a new stream and its lanes."""

    def taking_events(self) -> list[Stream]:
        """Return the streams on which new events are queued, with their receivers' statements about subjects.

        These are the streams of active integrations. Events queued on a disabled stream are cancelled at once.
        """

    def of_integration(self, integration_id: IntegrationId) -> list[Stream]:
        """Return the streams of one integration, oldest first."""

    def set_status(self, stream_id: StreamId, status: StreamStatus, reason: str | None, by: Party) -> None:
        """Change a stream's status. Call `refresh_lanes` afterwards to update its lanes."""

    def pause_if_idle(self, stream_id: StreamId, timeout: timedelta, reason: str) -> bool:
        """Pause a receiver's stream that was not active for *timeout*. Return whether it was paused."""

    def refresh_lanes(self, changed: Stream, *, is_fixed: bool) -> list[LaneKey]:
        """Update the lanes of a changed stream: whether a worker can claim them.

        Args:
            is_fixed: the operator or the receiver has perhaps fixed the failure. All waits end, and responses to
                attempts that began earlier are ignored.

        Returns: the lanes from which events may be sent at once.
        """

    def start_coalescing(self, stream: Stream) -> None:
        """Admit the events that an attempt or a poll may have reached. Later events are admitted one by one."""

    def cancel_backlog(self, stream: Stream, numbers: Collection[int], reason: str, at_most: int) -> int:
        """Cancel the undelivered events of some lanes of *stream*. None of them is sent from now on.

        Args:
            at_most: how many events get their row now. `continue_cancelling` writes the others.

        Returns: the number of events that got their row.
        """

    def continue_cancelling(self, key: LaneKey, at_most: int) -> list[LaneKey]:
        """Write the rows of at most *at_most* more cancelled events of a lane, the oldest first.

        Returns: the lane if it is done and has events to send, because its stream was enabled meanwhile.
        """


class ReceiverStreams(Protocol):
    """The streams that receivers created, without implicit and deleted streams."""

    def get(self, integration_id: IntegrationId, stream_id: StreamId) -> Stream | None:
        """Return the stream with that id. A writing transaction locks it."""

    def save(self, stream: Stream) -> None:
        """Overwrite a stream's configuration."""

    def delete(self, stream_id: StreamId, at: datetime) -> None:
        """Mark a stream as deleted. Its ledger is kept."""

    def note_activity(self, stream_id: StreamId) -> None:
        """Restart a stream's inactivity timeout, by the database's clock, with a precision of one minute."""

    def is_activity_due(self, stream_id: StreamId) -> bool:
        """Return whether `note_activity` would write now."""

    def may_verify(self, stream_id: StreamId, interval: timedelta) -> bool:
        """Store the time of a verification request, unless the last one is less than *interval* ago.

        Returns: whether the request is allowed.
        """

    def statements(self, stream_id: StreamId) -> list[SubjectStatement]:
        """Return the receiver's statements about subjects, in any order."""

    def state(self, stream_id: StreamId, subject: Mapping[str, Any], is_removed: bool | None) -> None:
        """Store the receiver's latest statement about *subject*; None: delete its statement."""


class ReceiverCredentials(Protocol):
    """The credentials of the receivers of the account's integrations."""

    def add(self, credential: ReceiverCredential) -> None:
        """Store a new credential."""

    def all(self, integration_id: IntegrationId) -> list[ReceiverCredential]:
        """Return the credentials of one integration, oldest first."""

    def get(self, integration_id: IntegrationId, credential_id: CredentialId) -> ReceiverCredential | None:
        """Return one credential. A writing transaction locks it."""

    def revoke(self, integration_id: IntegrationId, credential_id: CredentialId) -> bool:
        """Delete a credential and its access tokens.

        Returns: whether the credential existed.
        """

    def add_access_token(self, token: AccessToken) -> None:
        """Store an access token's hash."""

    def delete_access_tokens(self, client: ReceiverCredential, now: datetime, keep: int) -> None:
        """Delete the client's expired access tokens, and of the others all but the *keep* newest."""


class Polls(Protocol):
    """Reads and settles the lanes of streams that receivers poll: without a lease, in one transaction."""

    def peek(self, key: LaneKey, limit: int, retention: timedelta) -> LaneWork:
        """Return the lane's state and its next events, without taking the lane."""

    def take(self, key: LaneKey) -> LaneLease:
        """Take the lane by a new epoch. Writes under an older lease change nothing from now on."""

    def settle(
        self,
        lease: LaneLease,
        work: LaneWork,
        settlement: Settlement,
        tried: Sequence[Attempt],
        extend: timedelta,
    ) -> None:
        """Write the outcomes that a receiver reported for earlier events.

        Raises: LeaseLost: nothing was written.
        """


class Events(Protocol):
    """The append-only log of queued security events."""

    def queue(self, signals: Sequence[Signal], *, hand_over: bool = False) -> list[WokenLane]:
        """Append events to the lanes of their streams. Events on a disabled stream are cancelled at once.

        Args:
            hand_over: whether a worker may push the events to the streams of *signals* without reading them. Only if
                they are from `Streams.taking_events` in this transaction, which locks them: others can be older than
                an edit that this transaction has waited for.

        Returns: the lanes with events to send. The caller wakes their worker after the commit.
        """

    def deliveries(
        self,
        integration_id: IntegrationId,
        state: DeliveryState | None,
        after: tuple[StreamId, int, int] | None,
        limit: int,
    ) -> list[Delivery]:
        """Return deliveries with their attempts, newest first, after the one at (stream, lane, seq)."""

    def delivery(self, integration_id: IntegrationId, jti: Jti) -> Delivery | None:
        """Return the delivery with that jti, with its attempts."""


class Audit(Protocol):
    """An append-only log of changes: one account's, or the installation's own."""

    def record(self, entry: AuditEntry) -> None:
        """Append an entry."""

    def page(
        self,
        kind: Kind | None,
        after: AuditPlace | None,
        limit: int,
        *,
        verb: Verb | None = None,
        since: datetime | None = None,
    ) -> list[AuditEntry]:
        """Return entries of one kind or of all, newest first, after the one at *after*.

        Args:
            verb: the kind of change; None: any.
            since: the time of the oldest entry; None: any.
        """


class AccountTokens(Protocol):
    """The tokens of one account."""

    def exists(self, token_hash: bytes) -> bool:
        """Return whether the account has the token with that hash."""


class EventRequests(Protocol):
    """The events that clients queued under their own ids, with the responses."""

    def add(self, request_id: EventRequestId, answer: AnsweredRequest) -> AnsweredRequest:
        """Store *answer*, unless a response is stored under that id.

        Returns: the stored response.
        """


class RefusedRequests(Protocol):
    """The last rejected request of each operation, of the receivers of the account's integrations."""

    def save(self, integration_id: IntegrationId, refused: RefusedRequest) -> None:
        """Store a rejected request, replacing an earlier one of the same operation."""

    def delete(self, integration_id: IntegrationId, operation: ReceiverOperation) -> None:
        """Delete the rejected request of an operation that has succeeded since."""

    def by_integration(self, integration_id: IntegrationId | None) -> Mapping[IntegrationId, Sequence[RefusedRequest]]:
        """Return the rejected requests of one integration or of all, the latest first, by integration."""


class Transaction(Protocol):
    """One transaction, bound to one account. Each statement is limited to this account."""

    def compute(self, work: Callable[[], T]) -> T:
        """Run *work* off the event loop, and return its result. It may take long and must not use the transaction."""

    integrations: Integrations
    streams: Streams
    receiver_credentials: ReceiverCredentials
    receiver_streams: ReceiverStreams
    refused_requests: RefusedRequests
    polls: Polls
    erasures: Erasures
    user_exports: UserExports
    tokens: AccountTokens
    users: Users
    findings: Findings
    level_history: LevelHistory
    bulk_resets: BulkResets
    behaviors: Behaviors
    levels: Levels
    exceptions: RiskExceptions
    rules: Rules
    rule_work: RuleWork
    rule_users: RuleUsers
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
    channels: Channels
    stocks: Stocks
    trials: Trials
    audit: Audit
