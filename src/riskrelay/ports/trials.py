"""What a trial of other rules reads."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId


class PastUser(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A user, as trials read a hundred thousand: what needs decoding is decoded for few of them.

    Attributes:
        level: 0 is none.
        triggered: the behaviors since the last reset, with commas between them.
        resets, last_reset_at, last_event_at, changed_at: as in the standing. Times are microseconds since 1970.
        triggered_at, holding: JSON objects, as in the standing: times of behaviors, and of rules that hold.
    """

    user_id: UserId
    email: str
    level: int
    triggered: str
    resets: int
    last_reset_at: int | None
    last_event_at: int | None
    changed_at: int | None
    triggered_at: str | None
    holding: str | None


class PastRun(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """The stored findings of a user between two resets, in any order.

    Attributes:
        resets: the number of resets before them.
        times: of the findings, in microseconds since 1970.
        behaviors: of the findings, in the order of *times*, with commas between them.
    """

    user_id: UserId
    resets: int
    times: Sequence[int]
    behaviors: str


class PastUsers(NamedTuple):
    """Some users with their findings.

    Attributes:
        last: the id of the last of them.
        users: in the order of their ids.
        runs: by user, without those who have none.
    """

    last: UserId
    users: Sequence[PastUser]
    runs: Mapping[UserId, Sequence[PastRun]]


class Trials(Protocol):
    """Reads users with their findings, for trials."""

    def users(self, after: UserId, limit: int, max_findings: int) -> PastUsers | None:
        """Return the first users with an id greater than *after*.

        Returns: at most *limit* users; and with more than *max_findings* findings only the last of them. None: there
            are no more users.
        """

    def triggered(self, behaviors: Collection[BehaviorId], after: UserId, limit: int) -> list[Standing]:
        """Return the first *limit* users with an id greater than *after* that triggered one of *behaviors* since their
        last reset, in the order of their ids."""
