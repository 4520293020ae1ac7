"""Remember the behaviors whose finding makes no rule hold while it is the user's only one."""

from collections.abc import Collection

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.rules import LevelRules

_MAX_ACCOUNTS = 1_000  # guessed: accounts with rules that one process serves
_NONE: frozenset[BehaviorId] = frozenset()


class QuietFindings:
    """The behaviors whose finding makes no rule hold while it is the user's only one, as far as this process knows.

    Most new users have one finding. With this knowledge, no process has to read such a user again.
    """

    def __init__(self) -> None:
        self._known: dict[AccountId, tuple[LevelRules, frozenset[BehaviorId]]] = {}

    def of(self, account_id: AccountId, rules: LevelRules) -> frozenset[BehaviorId]:
        """Return the behaviors that are known under these rules."""
        if not rules.policies.counting or account_id not in self._known:
            return _NONE
        learned_under, quiet = self._known[account_id]
        return quiet if learned_under.is_stored_as(rules) else _NONE

    def learn(self, account_id: AccountId, rules: LevelRules, quiet: Collection[BehaviorId]) -> None:
        """Add behaviors.

        Args:
            rules: those under which they are quiet.
            quiet: from `Looking.quiet`.
        """
        known = self.of(account_id, rules)
        if not known.issuperset(quiet):
            if len(self._known) >= _MAX_ACCOUNTS:
                self._known.clear()
            self._known[account_id] = rules, known.union(quiet)
