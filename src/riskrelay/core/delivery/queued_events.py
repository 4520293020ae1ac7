"""An event that waits in a lane for its delivery."""

from datetime import datetime, timedelta

from msgspec import Struct

from riskrelay.core.ssf.events import Jti


class QueuedEvent(Struct, frozen=True, kw_only=True):
    """A delivery: one SET queued for one stream.

    Attributes:
        seq: its place in the lane, from 1, without gaps.
        subject_key: events with the same key keep their order.
        claims: the fixed claims (see ssf.sets).
        queued_at: aware UTC, for measurements only: the database's clock decides whether the event has expired.
        attempts: the number of earlier attempts.
        due_in: the time until the next attempt; zero or less: now.
        reason: why it is held, for an event that has a row.
        expired: whether it was queued or replayed longer ago than the retention.
        is_level_change: whether this service queued it for a change of a user's level, so that a later one may
            supersede it (see delivery.coalescing).
        known_level: the level that replaced the previous level in its claims, because the changes between were
            superseded; None: the claims are as they were queued.
    """

    seq: int
    jti: Jti
    subject_key: str
    claims: bytes
    queued_at: datetime
    attempts: int = 0
    due_in: timedelta = timedelta(0)
    reason: str = "waiting"
    expired: bool = False
    is_level_change: bool = False
    known_level: str | None = None

    @property
    def is_erased(self) -> bool:
        """Whether its user was erased. Such an event has no subject and is never sent."""
        return not self.subject_key

    @property
    def is_over(self) -> bool:
        """Whether it is settled without an attempt."""
        return self.expired or self.is_erased
