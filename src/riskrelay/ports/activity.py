"""What a transaction bound to one account offers about activity."""

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
    """A summary of one user's stored activity in a span of time. It changes when some is added; what is purged lies
    before the span, or is older than anything that can still be added.

    Attributes:
        count: how many there are.
        elapsed: the time from the beginning of the span to each of them, added up, in microseconds.
        box: of logins the least and the greatest latitude, the least and the greatest longitude.
    """

    count: int
    elapsed: int
    box: tuple[float, float, float, float] | None


class Activities(Protocol):
    """The account's activity, for as long as more activity can make something of it."""

    def add(self, recorded: Sequence[RecordedActivity]) -> None:
        """Store activity whose ids are not there yet."""

    def digests(self, activity_ids: Collection[ActivityId]) -> dict[ActivityId, bytes]:
        """The digests of stored activity among those ids."""

    def windows(
        self, kind: type[Login] | type[DlpHit], user_ids: Collection[UserId], span: tuple[datetime, datetime]
    ) -> dict[UserId, ActivityWindow]:
        """Summarize the activity of one kind from the first moment of *span* to the last, by user who has some."""

    def kept(
        self, kind: type[S], user_ids: Collection[UserId], span: tuple[datetime, datetime], limit: int
    ) -> dict[UserId, list[Kept[S]]]:
        """The activity of one kind of those users, from the first moment of *span* to the last; of each user only the
        latest *limit*."""

    def join(self, members: Mapping[ActivityId, FindingId], replaced: Mapping[FindingId, FindingId]) -> None:
        """Let activity belong to an episode: *members* one by one, and all of every finding that another replaces."""

    def purge(self, kind: type[Login] | type[DlpHit], before: datetime, limit: int) -> int:
        """Forget activity that is older, the oldest first, at most *limit*; how many that were."""


class Detection(Protocol):
    """What the account takes to be possible, and what it knows about where its users log in from."""

    def limits(self) -> TravelLimits:
        """Those that the account has set, or the defaults."""

    def save(self, limits: TravelLimits) -> None:
        """Overwrite."""

    def networks(self) -> tuple[TrustedNetwork, ...]:
        """Return the trusted networks, in the order in which they were saved."""

    def save_networks(self, networks: Collection[TrustedNetwork]) -> None:
        """Overwrite all of them."""

    def known_places(self, email_keys: Collection[str], since: int) -> dict[str, set[PlaceDay]]:
        """Return where those users logged in from on the day *since* or later, by user who did."""

    def learn(self, places: Mapping[str, AbstractSet[PlaceDay]]) -> None:
        """Remember where users logged in from. What is remembered already changes nothing."""

    def forget_places(self, before: int, limit: int) -> int:
        """Forget places of days before *before*, at most *limit*; how many that were."""
