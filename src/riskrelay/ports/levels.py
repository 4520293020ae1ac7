"""The rules that decide the levels of an account's users."""

from collections.abc import Collection, Mapping
from typing import Protocol

from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
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
