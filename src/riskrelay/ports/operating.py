"""What a transaction offers to those who operate delivery: replays, health, retention."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from riskrelay.core.delivery.attempts import Delivery
from riskrelay.core.delivery.clock import ClockReading
from riskrelay.core.delivery.health import StreamHealth
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.replays import Replay, ReplayFilter, ReplayId, ReplayStatus, ReplayStep
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.events import Jti


class Replays(Protocol):
    """The account's replays, and what they do to deliveries."""

    def add(self, replay: Replay) -> None:
        """Store a new one; it starts at the beginning."""

    def get(self, integration_id: IntegrationId, replay_id: ReplayId) -> Replay | None:
        """The one with that id, locked in a writing transaction."""

    def all(self, integration_id: IntegrationId, limit: int) -> list[Replay]:
        """Those of one integration, newest first."""

    def set_status(self, replay_id: ReplayId, status: ReplayStatus) -> None:
        """Overwrite its status."""

    def matching(self, integration_id: IntegrationId, wanted: ReplayFilter, sample: int) -> tuple[int, list[Delivery]]:
        """How many deliveries of streams that still exist fit a filter, and the *sample* newest of them."""

    def running_in(self, lane: LaneKey) -> Replay | None:
        """The oldest running replay that has not come to its end in *lane*; None: there is none."""

    def lanes_left(self, replay: Replay) -> list[LaneKey]:
        """Return the lanes that are sent now and where a replay has not come to its end, in order."""

    def step(self, replay: Replay, lane: LaneKey | None = None) -> tuple[ReplayStep, list[LaneKey]]:
        """Make the next deliveries of a running replay pending again, in order within their lane, and remember how far
        it is: as many as fill a batch, and only half a batch while the lane has new events. A lane that cannot go on
        now is passed over and come back to.

        Args:
            lane: only in this one; None: in the first that can go on.

        Returns: the lanes that got something to send.
        """

    def retry(self, integration_id: IntegrationId, jti: Jti) -> list[LaneKey] | None:
        """Make one delivery due now, whatever became of it.

        Returns: its lane; None when the integration has no such delivery on a stream that still exists.
        """


class DeliveryHealth(Protocol):
    """How delivery to the account's integrations is doing."""

    def streams(self, integration_id: IntegrationId | None) -> Sequence[StreamHealth]:
        """Each stream of one integration, or of all, oldest first."""

    def needing_attention(self, limit: int) -> Sequence[StreamHealth]:
        """Return streams of active integrations that fail, are rejecting, are stopped or are paused, those with the
        largest backlog first; of many only some."""


class Retention(Protocol):
    """What has become too old, by the database's clock, in bounded pieces."""

    def lanes_to_expire(self, retention: timedelta, limit: int) -> list[LaneKey]:
        """Lanes that nobody works on now and that hold undelivered events older than *retention*."""

    def expire(self, key: LaneKey, retention: timedelta, limit: int) -> int:
        """Let undelivered events of a lane expire, the oldest first; how many that were. Of a lane that somebody has
        begun to work on meanwhile none: whoever works on it does the same."""

    def lanes_to_purge(self, kept: timedelta, limit: int) -> list[LaneKey]:
        """Lanes whose oldest event was queued longer ago than *kept*."""

    def purge(self, key: LaneKey, kept: timedelta, limit: int) -> int:
        """Forget settled events of a lane that were queued longer ago than *kept*, with their attempts, the oldest
        first; how many that were. The ledger goes on counting them."""

    def running_replays(self, limit: int) -> list[tuple[AccountId, Replay]]:
        """Replays that have something to do, the oldest first."""


class Purging(Protocol):
    """Deletes records that are older than they are kept, of all accounts, by the database's clock; each call at most
    *limit* of them, and returns how many that were."""

    def audit_entries(self, kept: timedelta, limit: int) -> int:
        """Delete audit entries of one account, or of the installation, the oldest first."""

    def event_requests(self, kept: timedelta, limit: int) -> int:
        """Delete requested events' ids of one account, the oldest first: a repeat counts as new from then on."""

    def replays(self, kept: timedelta, limit: int) -> int:
        """Delete replays that are over."""

    def streams(self, kept: timedelta, limit: int) -> int:
        """Delete streams that were deleted, or whose integration was, and whose events have all been purged. The
        ledger no longer counts them."""

    def integrations(self, kept: timedelta, limit: int) -> int:
        """Delete integrations that were deleted and have no streams left, with everything that belongs to them."""


class DatabaseClock(Protocol):
    """The database's clock, watched by every process that delivers."""

    def read(self, monotonic: float) -> ClockReading:
        """Read it.

        Args:
            monotonic: seconds that only grow, now.
        """

    def observe(self, before: ClockReading | None, monotonic: float) -> tuple[ClockReading, timedelta]:
        """Compare the clock with this process's reading *before*, and record what was found. After a step back, waits
        are made shorter by it; a wait or lease that is longer than any may be is ended.

        Returns: the reading now, and how far the clock has jumped since; zero: not at all.
        """


class EngineCare(Protocol):
    """What some engines need done from time to time; each does nothing where it is not needed."""

    def make_partitions(self, kept: timedelta) -> None:
        """Make room for the days to come, where the engine keeps events by days; nothing elsewhere."""

    def drop_partition(self, kept: timedelta) -> bool:
        """Forget the oldest partition that ended longer ago than *kept* and holds nothing that is pending, and all
        attempts so old; whether there was one. The ledger goes on counting."""

    def analyze_new(self) -> None:
        """Gather statistics of tables that have grown and have none."""
