"""The operations on activity of a transaction that is bound to one account."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from riskrelay.core.risk.activity import ActivityId, DlpHit, Kept, Login, S
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.known_places import PlaceDay
from riskrelay.core.risk.networks import TrustedNetwork
from riskrelay.core.risk.speeds import TravelLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedActivity:
    """Activity as it is stored: with an id and a user of the account.

    Attributes:
        episode: the finding of the episode it belongs to; None: it belongs to none.
    """

    activity_id: ActivityId
    user_id: UserId
    seen: Login | DlpHit
    digest: bytes
    episode: FindingId | None = None

    def joining(self, episodes: Mapping[ActivityId, FindingId]) -> "RecordedActivity":
        """Return the same activity as part of its episode."""
        return replace(self, episode=episodes[self.activity_id])


@dataclass(frozen=True, slots=True)
class ActivityWindow:
    """A summary of one user's stored activity in a span of time.

    It changes when activity is added. Purged activity is older than the span, or older than any activity that can
    still be added.

    Attributes:
        count: the number of activities.
        elapsed: the sum of the times from the start of the span to each activity, in microseconds.
        box: the least and greatest latitude, and the least and greatest longitude, of logins.
    """

    count: int
    elapsed: int
    box: tuple[float, float, float, float] | None


class Activities(Protocol):
    """The account's activity, kept while later activity can form an episode with it."""

    def add(self, recorded: Sequence[RecordedActivity]) -> None:
        """Store activity with new ids."""

    def digests(self, activity_ids: Collection[ActivityId]) -> dict[ActivityId, bytes]:
        """Return the digests of the stored activity with those ids."""

    def windows(
        self, kind: type[Login] | type[DlpHit], user_ids: Collection[UserId], span: tuple[datetime, datetime]
    ) -> dict[UserId, ActivityWindow]:
        """Summarize the activity of one kind from the start of *span* to its end, by user."""

    def kept(
        self,
        kind: type[S],
        user_ids: Collection[UserId],
        span: tuple[datetime, datetime],
        limit: int,
        *,
        in_batches: bool = False,
    ) -> dict[UserId, list[Kept[S]]]:
        """Return the users' activity of one kind in *span*, for each user the latest *limit*.

        Args:
            in_batches: read a batch of rows at a time, so that thousands do not block the event loop. It costs a few
                more round trips.
        """

    def join(self, members: Mapping[ActivityId, FindingId], replaced: Mapping[FindingId, FindingId]) -> None:
        """Assign activity to episodes: each of *members*, and all activity of each replaced finding."""

    def purge(self, kind: type[Login] | type[DlpHit], before: datetime, limit: int) -> int:
        """Delete activity from before *before*, the oldest first, at most *limit*. Return the number deleted."""


class Detection(Protocol):
    """The account's travel limits, its trusted networks, and its users' known places."""

    def limits(self) -> TravelLimits:
        """Return the limits that the account has set, or the defaults."""

    def save(self, limits: TravelLimits) -> None:
        """Overwrite the limits."""

    def networks(self) -> tuple[TrustedNetwork, ...]:
        """Return the trusted networks, in the order in which they were saved."""

    def save_networks(self, networks: Collection[TrustedNetwork]) -> None:
        """Overwrite all trusted networks."""

    def known_places(self, email_keys: Collection[str], since: int) -> dict[str, set[PlaceDay]]:
        """Return the places of those users' logins on the day *since* or later, by user."""

    def learn(self, places: Mapping[str, AbstractSet[PlaceDay]]) -> None:
        """Store the places of users' logins, unless they are stored."""

    def delete_places(self, before: int, limit: int) -> int:
        """Delete places of days before *before*, at most *limit*. Return the number deleted."""
