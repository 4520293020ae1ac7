"""What a transaction bound to one account offers about activity."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from riskrelay.core.risk.activity import ActivityId, DlpHit, Kept, Login, S
from riskrelay.core.risk.findings import FindingId, UserId
from riskrelay.core.risk.speeds import TravelLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedActivity:
    """Activity as it is stored: with an id and a user of the account."""

    activity_id: ActivityId
    user_id: UserId
    seen: Login | DlpHit
    digest: bytes


class Activities(Protocol):
    """The account's activity, for as long as more activity can make something of it."""

    def add(self, recorded: Sequence[RecordedActivity]) -> set[ActivityId]:
        """Store those whose id is not there yet.

        Returns: the ids that were stored.
        """

    def digests(self, activity_ids: Collection[ActivityId]) -> dict[ActivityId, bytes]:
        """The digests of stored activity among those ids."""

    def kept(
        self,
        kind: type[S],
        user_ids: Collection[UserId],
        span: tuple[datetime, datetime],
        fresh: AbstractSet[ActivityId],
    ) -> dict[UserId, list[Kept[S]]]:
        """The activity of one kind of those users, from the first moment of *span* to the last; of a user who has very
        much only the latest."""

    def scattered(self, user_ids: Collection[UserId], span: tuple[datetime, datetime], degrees: float) -> set[UserId]:
        """Which of those users have logins in *span* more than so many degrees apart, latitude and longitude added."""

    def join(self, members: Mapping[ActivityId, FindingId], replaced: Mapping[FindingId, FindingId]) -> None:
        """Let activity belong to an episode: *members* one by one, and all of every finding that another replaces."""

    def purge(self, kind: type[Login] | type[DlpHit], before: datetime, limit: int) -> int:
        """Forget activity that is older, the oldest first, at most *limit*; how many that were."""


class Detection(Protocol):
    """What the account takes to be possible."""

    def limits(self) -> TravelLimits:
        """Those that the account has set, or the defaults."""

    def save(self, limits: TravelLimits) -> None:
        """Overwrite."""
