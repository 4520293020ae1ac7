"""The rules that decide the levels of users, and the users whose level is due."""

from collections.abc import Collection, Mapping
from typing import Protocol

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


class DueLevels(Protocol):
    """Users of all accounts whose level must be decided again because time has passed, by the database's clock.

    A step of the clock forward counts only after it is confirmed (`core.delivery.clock.confirmed_now`).
    """

    def users(self, limit: int) -> list[tuple[AccountId, UserId]]:
        """Return due users, the longest due first, without accounts whose users a large write moves."""

    def take_turn(self, wanted: int, per_second: int) -> int:
        """Return how many of the *wanted* users may be moved in this second, so that all processes keep the limit."""
