"""The rules that decide the levels of an account's users."""

from typing import Protocol

from riskrelay.core.risk.rules import LevelRules, LevelTimes


class Levels(Protocol):
    """The account's rules for the levels of its users."""

    def rules(self) -> LevelRules:
        """Return everything that decides levels, besides findings, as of now."""

    def times(self) -> LevelTimes:
        """Return the settings of how levels change with time."""

    def save_times(self, times: LevelTimes) -> None:
        """Overwrite the settings of how levels change with time."""
