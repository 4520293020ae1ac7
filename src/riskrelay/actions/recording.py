"""Steps shared by the actions that record findings and change users' risk levels, inside their transactions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from riskrelay.actions.giving_way import in_steps
from riskrelay.core import signals
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import Fault, FaultKind, Invalid, UserMismatch
from riskrelay.core.risk.activity import SKEW
from riskrelay.core.risk.assessment import LevelChange, Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import UserId, UserRef
from riskrelay.ports import Ids, Services, Transaction

Id = TypeVar("Id", bound=str)

_TRIM_EVERY = 100  # guessed: a user exceeds the quota by at most this many findings plus one batch
_PLACES_AT_ONCE = 200  # guessed: items of a large request decided in one step, some milliseconds


def refuse_future(moments: Mapping[int, datetime], now: datetime) -> None:
    """Refuse times that are further in the future than a sender's clock may be ahead.

    Args:
        moments: the times by place in the request.

    Raises: Invalid: pointers start with the place.
    """
    minutes = int(SKEW.total_seconds() // 60)
    message = f"must not be more than {minutes} minutes in the future; check the sender's clock and time zone"
    faults = [
        Fault(FaultKind.WRONG_VALUE, f"/{place}/timestamp", message)
        for place, moment in in_steps(moments.items())
        if moment > now + SKEW
    ]
    if faults:
        raise Invalid(faults)


def assign_ids(sent: Mapping[int, tuple[str | None, bytes]], ids: Ids) -> dict[int, str]:
    """Assign an id to each item: the sender's id, or a new one.

    Args:
        sent: the id and the digest of each item, by place in the request.

    Returns: the ids by place; of items with the same id only the first.
    Raises: Invalid: one id has two bodies.
    """
    digests: dict[str, bytes] = {}
    distinct: dict[int, str] = {}
    faults: list[Fault] = []
    for place, (given, digest) in in_steps(sent.items()):
        if given is None:
            distinct[place] = ids.ordered_uuid()
        elif given not in digests:
            digests[given], distinct[place] = digest, given
        elif digests[given] != digest:
            faults.append(_reused(place))
    if faults:
        raise Invalid(faults)
    return distinct


def refuse_reused(repeated: Mapping[int, tuple[Id, bytes]], stored: Mapping[Id, bytes]) -> None:
    """Refuse a stored id with another body.

    Args:
        repeated: the id and the digest of each item with a stored id, by place in the request.
        stored: the stored digests by id.

    Raises: Invalid: an id is stored with another body.
    """
    faults = [_reused(place) for place, (given, digest) in repeated.items() if stored[given] != digest]
    if faults:
        raise Invalid(faults)


def _reused(place: int) -> Fault:
    message = "this id was already used with a different body; send a new id, or the same body"
    return Fault(FaultKind.ID_REUSED, f"/{place}/id", message)


@dataclass(frozen=True, slots=True)
class Found:
    """The users that a request names, locked.

    Attributes:
        standings: the users' standings by email_key, including new users, which are not stored yet.
        new: the email_keys of the new users.
    """

    standings: dict[str, Standing]
    new: frozenset[str]


def find_users(tx: Transaction, users: Mapping[int, UserRef], new_id: Callable[[], str]) -> Found:
    """Find and lock users, and assign ids to new users.

    Args:
        users: the users by place in the request.

    Raises: Invalid: a user id does not match its e-mail.
    """
    # A batch can name a user many times. Each distinct reference is checked; the last one of a new user is stored.
    references = dict.fromkeys(in_steps(users.values()))
    last = list(references)
    if len(references) < len(users):
        last = list(dict.fromkeys(reversed(list(users.values()))))[::-1]
    try:
        known = tx.users.find(last if len(references) == len(users) else [*references, *last])
    except UserMismatch as error:
        message = "user_id and email belong to different users of this account; omit user_id, or send that of the user"
        raise Invalid(
            [
                Fault(FaultKind.USER_MISMATCH, f"/{place}/user/user_id", message)
                for place, user in users.items()
                if user.email_key == error.email_key and user.user_id is not None
            ]
        ) from error
    missing = {key: user for user in last if (key := user.email_key) not in known}
    for key, user in missing.items():
        known[key] = Standing(
            user_id=user.user_id or UserId(new_id()),
            email=user.email,
            name=user.name,
            level=None,
            triggered=frozenset(),
        )
    return Found(known, frozenset(missing))


def refuse_surplus_users(users: Mapping[int, UserRef], new: AbstractSet[str], known: int, quota: int) -> None:
    """Refuse new users above the account's quota.

    Args:
        users: the users by place in the request.
        new: the email_keys of new users.
        known: the number of stored users.

    Raises: Invalid: one fault for each place that names a new user.
    """
    if not new or known + len(new) <= quota:
        return
    message = f"this user is new, and the quota of {quota:,} users is reached ({known:,}); send only known users"
    places = [place for place, user in users.items() if user.email_key in new]
    raise Invalid([Fault(FaultKind.QUOTA_REACHED, f"/{place}/user", message) for place in places])


def to_trim(steps: Iterable[tuple[Standing, Standing]]) -> frozenset[UserId]:
    """Return the users that may have more findings than the quota.

    A user is checked every `_TRIM_EVERY` findings, and at each reset, so that most findings cost no query.
    """
    return frozenset(
        after.user_id
        for before, after in steps
        if after.event_count // _TRIM_EVERY != before.event_count // _TRIM_EVERY or after.resets != before.resets
    )


def by_users(users: Mapping[int, UserRef]) -> Iterator[list[int]]:
    """Group places of a request so that all places of a user are in one group.

    Different users with the same user id are also in one group, so that the fault is found.

    Args:
        users: the users by place.

    Returns: groups of a few hundred places, or more of one user, in the order in which their users appear.
    """
    named: dict[UserId, str] = {}
    same: dict[str, str] = {}
    places: dict[str, list[int]] = {}
    for user in in_steps(users.values()):
        if user.user_id is not None:
            first, key = named.setdefault(user.user_id, user.email_key), user.email_key
            if first != key:
                same[key] = same.get(first, first)
    for place, user in in_steps(users.items()):
        key = user.email_key
        places.setdefault(same.get(key, key) if same else key, []).append(place)
    group: list[int] = []
    for mine in places.values():
        if group and len(group) + len(mine) > _PLACES_AT_ONCE:
            yield group
            group = []
        group += mine
    if group:
        yield group


def latest_of(times: Iterable[tuple[BehaviorId, datetime]]) -> dict[BehaviorId, datetime]:
    """Return the latest time of each behavior."""
    latest: dict[BehaviorId, datetime] = {}
    for behavior, at in times:
        latest[behavior] = max(latest.get(behavior, at), at)
    return latest


def latest_name(users: Iterable[UserRef], known: str | None) -> str | None:
    """Return the last name in the references, or the known one."""
    named = [user.name for user in users if user.name is not None]
    return named[-1] if named else known


def queue_level_changes(tx: Transaction, changes: Sequence[LevelChange], services: Services) -> list[WokenLane]:
    """Record level changes in the users' histories, and queue a security event for each on every stream that takes it.

    Returns: the lanes to wake after the commit.
    """
    if not changes:
        return []
    # The id of a change in the history is the `txn` of its events. So the events of a change are found again, though
    # all changes of a request have the same time.
    named = [(services.ids.uuid(), change) for change in changes]
    tx.level_history.add(named, services.quotas.level_changes_per_user)
    made = signals.for_changes(named, tx.streams.taking_events(), services.ids.uuid)
    return tx.events.queue(made, hand_over=True)
