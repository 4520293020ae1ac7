"""Exceptions: users for whom a behavior is ignored, capped at a level, or has another level."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

from riskrelay.core.email_addresses import MAX_EMAIL_CHARACTERS, email_key, email_problem
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel

ExceptionId = NewType("ExceptionId", str)

MAX_REASON_CHARACTERS = 500  # guessed: some sentences
MAX_GROUP_CHARACTERS = 100  # guessed: the common names of groups in directories are shorter
_USERS_REMEMBERED = 1_000  # guessed: each user of a batch is asked about several times
MAX_PATTERN_STARS = 8  # guessed: the work of a match grows with their number


class Coverage(StrEnum):
    """How an exception names its users. A member comes before those that it takes precedence over."""

    USER = "user"
    GROUP = "group"
    PATTERN = "pattern"


class Effect(StrEnum):
    """What an exception does with the level of a behavior."""

    IGNORE = "ignore"
    CAP = "cap"
    LEVEL = "level"


class RiskException(Struct, frozen=True, kw_only=True):
    """An exception of an account.

    Attributes:
        covered: an e-mail address, the name of a group, or a pattern of addresses, as it was sent.
        behavior: None: all behaviors.
        level: of the effects CAP and LEVEL; None: the behavior is ignored.
        reason: why, for people of the account; never sent to receivers.
        ends_at: from then on the exception has no effect; None: it has no end.
    """

    exception_id: ExceptionId
    coverage: Coverage
    covered: str
    behavior: BehaviorId | None
    effect: Effect
    level: RiskLevel | None
    reason: str
    ends_at: datetime | None
    created_at: datetime

    def level_for(self, level: RiskLevel) -> RiskLevel | None:
        """Return the level of a covered behavior that has *level* without exceptions; None: it is ignored."""
        if self.level is None:
            return None
        return min(level, self.level) if self.effect is Effect.CAP else self.level

    def has_ended(self, at: datetime) -> bool:
        """Return whether the exception has no effect at that time."""
        return self.ends_at is not None and self.ends_at <= at


class UserExceptions:
    """The exceptions that cover one user, in the order of precedence as far as it is the same for all behaviors."""

    __slots__ = ("_ordered",)

    def __init__(self, covering: Iterable[RiskException]) -> None:
        self._ordered = sorted(covering, key=_place)

    def __bool__(self) -> bool:
        return bool(self._ordered)

    def applied_to(self, behavior: BehaviorId, level: RiskLevel) -> RiskException | None:
        """Return the exception that decides the level of *behavior*; None: no exception covers it.

        An exception for the user comes before one for a group, and a group before a pattern; then one for this
        behavior before one for all behaviors. Of those that remain, the one that leaves the highest level applies, so
        that two exceptions never hide more than each of them alone.

        Args:
            level: of the behavior without exceptions.
        """
        first: RiskException | None = None
        for one in self._ordered:
            if one.behavior is not None and one.behavior != behavior:
                continue
            if first is None:
                first = one
            elif _place(one)[:2] != _place(first)[:2]:
                break
            elif (one.level_for(level) or 0) > (first.level_for(level) or 0):
                first = one
        return first

    def level_of(self, behavior: BehaviorId, level: RiskLevel) -> RiskLevel | None:
        """Return the level of *behavior* for this user; None: it is ignored.

        Args:
            level: of the behavior without exceptions.
        """
        applied = self.applied_to(behavior, level)
        return level if applied is None else applied.level_for(level)

    def next_end(self) -> datetime | None:
        """Return the time at which the first of them ends; None: none has an end."""
        return min((one.ends_at for one in self._ordered if one.ends_at is not None), default=None)


class Exceptions:
    """The exceptions of an account that have not ended at one time.

    Args:
        stored: exceptions in any order.
        at: the time; None: no exception has an end.
    """

    def __init__(self, stored: Iterable[RiskException], at: datetime | None) -> None:
        self._users: dict[str, list[RiskException]] = defaultdict(list)
        self._groups: dict[str, list[RiskException]] = defaultdict(list)
        self._patterns: list[tuple[Sequence[str], RiskException]] = []
        self._found: dict[tuple[str, frozenset[str]], UserExceptions] = {}
        self._shared: dict[tuple[ExceptionId, ...], UserExceptions] = {}
        self._all = tuple(one for one in stored if at is None or not one.has_ended(at))
        for one in self._all:
            if one.coverage is Coverage.USER:
                self._users[email_key(one.covered)].append(one)
            elif one.coverage is Coverage.GROUP:
                self._groups[group_key(one.covered)].append(one)
            else:
                self._patterns.append((email_key(one.covered).split("*"), one))

    def __bool__(self) -> bool:
        return bool(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exceptions) and self._all == other._all

    def __hash__(self) -> int:
        return hash(self._all)

    @property
    def name_groups(self) -> bool:
        """Whether the groups of a user must be known."""
        return bool(self._groups)

    def of_user(self, key: str, groups: frozenset[str] = frozenset()) -> UserExceptions:
        """Return the exceptions that cover a user. Users with the same exceptions share the result.

        Args:
            key: the user's `email_key`.
            groups: the keys of the user's groups.
        """
        found = self._found.get((key, groups))
        if found is None:
            if len(self._found) >= _USERS_REMEMBERED:
                self._found.clear()
            found = self._found[key, groups] = self._covering(key, groups)
        return found

    def _covering(self, key: str, groups: frozenset[str]) -> UserExceptions:
        covering = [
            *self._users.get(key, ()),
            *(one for group in groups for one in self._groups.get(group, ())),
            *(one for pieces, one in self._patterns if _matches(pieces, key)),
        ]
        if not covering:
            return NO_EXCEPTIONS
        if len(self._shared) >= _USERS_REMEMBERED:
            self._shared.clear()
        named = tuple([one.exception_id for one in covering])
        return self._shared.get(named) or self._shared.setdefault(named, UserExceptions(covering))


def group_key(name: str) -> str:
    """Return the text that two names of groups share exactly when they are of the same group.

    >>> group_key("Service Accounts") == group_key("service accounts")
    True
    """
    return unicodedata.normalize("NFC", name).lower()


def matches(pattern: str, email: str) -> bool:
    """Return whether an address matches a pattern, in which each `*` stands for any characters, or none. It has one.

    Letter case does not count, as with addresses.

    >>> matches("svc-*@example.com", "SVC-backup@example.com"), matches("svc-*@example.com", "kai@example.com")
    (True, False)
    """
    return _matches(email_key(pattern).split("*"), email_key(email))


def covered_problem(coverage: Coverage, covered: str) -> str | None:
    """Return why an exception cannot cover *covered*; None: it can."""
    if coverage is Coverage.USER:
        return email_problem(covered)
    return group_problem(covered) if coverage is Coverage.GROUP else pattern_problem(covered)


def group_problem(name: str) -> str | None:
    """Return why *name* cannot be the name of a group; None: it can."""
    return _text_problem(name, MAX_GROUP_CHARACTERS)


def reason_problem(reason: str) -> str | None:
    """Return why *reason* cannot be the reason of an exception; None: it can."""
    return _text_problem(reason, MAX_REASON_CHARACTERS)


def pattern_problem(pattern: str) -> str | None:
    """Return why *pattern* cannot be a pattern of addresses; None: it can.

    >>> pattern_problem("kai@example.com")
    'must have a *, which stands for any characters; to cover one user, send user'
    """
    if len(pattern) > MAX_EMAIL_CHARACTERS:
        return f"must not be longer than {MAX_EMAIL_CHARACTERS} characters"
    if not pattern.isprintable() or " " in pattern:
        return "must not have spaces or control characters"
    stars = pattern.count("*")
    if stars == 0:
        return "must have a *, which stands for any characters; to cover one user, send user"
    if stars > MAX_PATTERN_STARS:
        return f"must not have more than {MAX_PATTERN_STARS} *"
    if stars == len(pattern):
        return "must have more than *, which every user matches; to stop findings of all users, disable the behavior"
    return None


def _text_problem(text: str, most: int) -> str | None:
    if 1 <= len(text) <= most and text.isprintable() and text == text.strip():
        return None
    return f"must have 1 to {most} printable characters, and no space at its beginning or its end"


def _place(one: RiskException) -> tuple[int, bool, str]:
    """Return the place in the order of precedence: coverage, then behavior, then age."""
    return _RANKS[one.coverage], one.behavior is None, one.exception_id


_RANKS = {coverage: rank for rank, coverage in enumerate(Coverage)}


def _matches(pieces: Sequence[str], key: str) -> bool:
    """Return whether *key* consists of *pieces* with any characters between them.

    Each piece is searched once, from the end of the one before it, so the work doesn't grow with the number of ways in
    which a pattern could match.
    """
    first, *inner, last = pieces
    end = len(key) - len(last)
    start = len(first)
    if start > end or not key.startswith(first) or not key.endswith(last):
        return False
    for piece in inner:
        found = key.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return True


NO_EXCEPTIONS = UserExceptions(())
NONE_STORED = Exceptions((), None)
"""Those of an account without exceptions."""
