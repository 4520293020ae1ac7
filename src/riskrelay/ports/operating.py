"""The operations of a transaction for operating delivery: replays, health, retention."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from riskrelay.core.delivery.attempts import Delivery
from riskrelay.core.delivery.clock import ClockReading
from riskrelay.core.delivery.health import StreamHealth
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.replays import Replay, ReplayFilter, ReplayId, ReplayStep
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.jobs import JobStatus
from riskrelay.core.risk.findings import UserId
from riskrelay.core.ssf.events import Jti

LevelChangePlace = tuple[AccountId, UserId, datetime, str]
"""The key of a level change: its place among those of all accounts."""


class Replays(Protocol):
    """The account's replays, and their steps."""

    def add(self, replay: Replay) -> None:
        """Store a new replay. It starts at the beginning of each lane."""

    def get(self, integration_id: IntegrationId, replay_id: ReplayId) -> Replay | None:
        """Return the replay with that id. A writing transaction locks it."""

    def all(self, integration_id: IntegrationId, limit: int) -> list[Replay]:
        """Return the replays of one integration, newest first."""

    def set_status(self, replay_id: ReplayId, status: JobStatus) -> None:
        """Overwrite a replay's status."""

    def matching(self, integration_id: IntegrationId, wanted: ReplayFilter, sample: int) -> tuple[int, list[Delivery]]:
        """Return the number of deliveries on existing streams that match a filter, and the newest *sample* of them."""

    def running_in(self, lane: LaneKey) -> Replay | None:
        """Return the oldest running replay that has events left in *lane*, if any."""

    def lanes_left(self, replay: Replay) -> list[LaneKey]:
        """Return the lanes that may be sent now and in which a replay has events left, in order."""

    def lock(self, replay: Replay) -> bool:
        """Lock a replay, before any lane. Return whether it is running."""

    def step(self, replay: Replay, lane: LaneKey | None = None) -> tuple[ReplayStep, list[LaneKey]]:
        """Set the next deliveries of a running replay to pending, in order within their lane, and store its position.

        A step fills a batch, or half a batch while the lane has new events. It skips a lane that cannot take more
        events now; a later step returns to it.

        Args:
            lane: the lane to use; None: the first lane that can take events.

        Returns: the lanes with new events to send.
        """

    def retry(self, integration_id: IntegrationId, jti: Jti) -> list[LaneKey] | None:
        """Make one delivery due now, in any state.

        Returns: its lane; None if the integration has no such delivery on an existing stream.
        """


class DeliveryHealth(Protocol):
    """The health of delivery to the account's integrations."""

    def streams(self, integration_id: IntegrationId | None) -> Sequence[StreamHealth]:
        """Return the health of the streams of one integration or of all, oldest first."""

    def needing_attention(self, limit: int) -> Sequence[StreamHealth]:
        """Return at most *limit* streams of active integrations that fail, reject events, or are stopped or paused.

        The stream with the largest backlog is first.
        """


class Retention(Protocol):
    """Expires and deletes events by age, by the database's clock, in bounded steps."""

    def lanes_to_expire(self, retention: timedelta, limit: int) -> list[LaneKey]:
        """Return lanes that are not leased and have undelivered events older than *retention*."""

    def expire(self, key: LaneKey, retention: timedelta, limit: int) -> int:
        """Expire undelivered events of a lane, the oldest first. Return their number.

        A lane that a worker has claimed in the meantime is skipped, because the worker expires its events.
        """

    def lanes_to_purge(self, kept: timedelta, limit: int) -> list[LaneKey]:
        """Return lanes whose oldest event was queued longer ago than *kept*."""

    def purge(self, key: LaneKey, kept: timedelta, limit: int) -> int:
        """Delete settled events of a lane that were queued longer ago than *kept*, with their attempts, oldest first.

        Returns: the number of deleted events. The ledger still counts them.
        """

    def lanes_to_cancel(self, limit: int) -> list[LaneKey]:
        """Return lanes with cancelled events that have no row yet."""

    def running_replays(self, limit: int) -> list[tuple[AccountId, Replay]]:
        """Return running replays of all accounts, the oldest first."""


FindingIndexPlace = tuple[str, str, int, datetime, str]
"""A place in the index of findings: account, user, resets, time and id."""


class Purging(Protocol):
    """Deletes records of all accounts whose retention has ended, by the database's clock.

    Each call deletes at most *limit* rows, and returns their number.
    """

    def audit_entries(self, kept: timedelta, limit: int) -> int:
        """Delete audit entries of one account, or of the installation, the oldest first."""

    def level_changes(self, kept: timedelta, after: LevelChangePlace | None, limit: int) -> LevelChangePlace | None:
        """Delete the old ones among the *limit* level changes after a place, user by user. The users' levels stay.

        Returns: the place after which the next step starts; None: all have been read.
        """

    def event_requests(self, kept: timedelta, limit: int) -> int:
        """Delete clients' event ids of one account, the oldest first. A repeated id is new from then on."""

    def replays(self, kept: timedelta, limit: int) -> int:
        """Delete replays that are over."""

    def bulk_resets(self, kept: timedelta, limit: int) -> int:
        """Delete bulk resets of one account that are over, the oldest first."""

    def streams(self, kept: timedelta, limit: int) -> int:
        """Delete the rows of deleted streams, or streams of deleted integrations, whose events have all been purged.

        The ledger no longer counts them.
        """

    def samples(self, kept: timedelta, limit: int) -> int:
        """Delete samples of sources."""

    def findings(self, kept: timedelta, after: FindingIndexPlace | None, limit: int) -> FindingIndexPlace | None:
        """Delete findings that occurred longer ago than *kept*.

        Args:
            after: where the last call ended; None: begin.
            limit: the number of findings to delete. The call reads ten times as many.

        Returns: where the next call begins; None: all findings were read.
        """

    def integrations(self, kept: timedelta, limit: int) -> int:
        """Delete the rows of deleted integrations that have no streams left, with their dependent rows."""


class DatabaseClock(Protocol):
    """The database's clock. Each process that delivers watches it."""

    def read(self, monotonic: float) -> ClockReading:
        """Read the clock.

        Args:
            monotonic: the monotonic time of this process, in seconds.
        """

    def observe(self, before: ClockReading | None, monotonic: float) -> tuple[ClockReading, timedelta]:
        """Compare the clock with this process's reading *before*, and record the result.

        After a step back, waits are shortened by the step. Waits and leases above the longest allowed time are ended.

        Returns: the reading now, and the size of the step since *before*; zero: no step.
        """


class EngineCare(Protocol):
    """Maintenance that some engines need. Each method does nothing on the other engines."""

    def make_partitions(self, kept: timedelta) -> None:
        """Create the partitions of the next days."""

    def drop_partition(self, kept: timedelta) -> bool:
        """Drop the oldest partition that ended longer ago than *kept* and has no pending event, and attempts as old.

        Returns: whether a partition was dropped. The ledger still counts its events.
        """

    def analyze_new(self) -> None:
        """Gather statistics for tables that have grown and have none."""
