"""The rules that decide the levels of users, and the users whose level is due."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.rules import LevelRules, LevelTimes


class Behaviors(Protocol):
    """The account's settings of behaviors, and its own behaviors."""

    def stored(self) -> dict[BehaviorId, BehaviorSetting]:
        """Return all changed settings, and the settings of the account's own behaviors, including retired ones."""

    def save(self, settings: Mapping[BehaviorId, BehaviorSetting]) -> None:
        """Insert or overwrite settings."""


class Levels(Protocol):
    """The account's rules for the levels of its users."""

    def rules(self) -> LevelRules:
        """Return everything that decides levels, besides findings, as of now.

        The groups of users are not read. Before levels of users are decided, call `with_groups`.
        """

    def with_groups(self, rules: LevelRules, email_keys: Collection[str]) -> LevelRules:
        """Return *rules* for users with these keys: with their groups, if an exception names a group."""

    def times(self) -> LevelTimes:
        """Return the settings of how levels change with time."""

    def save_times(self, times: LevelTimes) -> None:
        """Overwrite the settings of how levels change with time."""


class DueUser(NamedTuple):
    """A user whose level must be decided again.

    Attributes:
        has_rules: whether the account has rules.
    """

    account_id: AccountId
    user_id: UserId
    has_rules: bool


class DueLevels(Protocol):
    """Users of all accounts whose level must be decided again because time has passed, by the database's clock.

    A step of the clock forward counts only after it is confirmed (`core.delivery.clock.confirmed_now`).
    """

    def users(self, owner: str, limit: int) -> list[DueUser]:
        """Return due users, the longest due first.

        Accounts whose users a large write moves are left out, and accounts whose rules another process evaluates.

        Args:
            owner: the process that asks.
        """

    def walking(self, limit: int) -> list[tuple[AccountId, str]]:
        """Return accounts whose users must be evaluated again after a change of rules, each with the last user that was
        walked to."""

    def take_turn(self, wanted: int, per_second: int) -> int:
        """Return how many of the *wanted* users may be moved in this second, so that all processes keep the limit."""
