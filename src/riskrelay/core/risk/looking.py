"""Let the rules of an account see some users: which inputs have to be evaluated, and what the results mean."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import Looked, RuleId
from riskrelay.core.risk.rule_inputs import (
    CountedFinding,
    RuleFinding,
    RuleGroup,
    Verdict,
    counted,
    counted_plainly,
    first_seen,
    groups_of,
    input_of,
    next_look,
    plain_levels,
)
from riskrelay.core.risk.rules import LevelRules

_MAX_USED = 10  # as many as a level change names

Shape = tuple[tuple[BehaviorId, RiskLevel], ...]
"""The findings of an input without members of their own: users with the same shape share the input."""


class Sight(Struct, frozen=True, gc=False):
    """What rules see of one user.

    Attributes:
        now: the time at which the findings count.
        findings: those that count, from `counted`.
        asked: for each group the place of its input, and the findings in it.
    """

    now: datetime
    findings: Sequence[CountedFinding]
    asked: Sequence[tuple[int, int, Sequence[CountedFinding]]]


class Looking:
    """Collects the inputs of users, each only once, and reads the verdicts.

    Attributes:
        groups: the account's rules that are evaluated.
        inputs: each with the place of its group.
    """

    def __init__(self, rules: LevelRules, sources: Mapping[str, str]) -> None:
        """Begin without users.

        Args:
            rules: with the groups of the users that will be seen.
            sources: the names of the account's sources, by id.
        """
        self.groups: Sequence[RuleGroup] = groups_of(rules.policies.counting.values())
        self._plain = plain_levels(rules)
        self.inputs: list[tuple[int, str]] = []
        self._rules = rules
        self._sources = sources
        self._shapes: dict[tuple[int, Shape], int] = {}
        self._texts: dict[tuple[int, str], int] = {}

    def see(self, findings: Sequence[RuleFinding], rules: LevelRules, now: datetime) -> Sight:
        """Add the inputs of one user at one time.

        Args:
            findings: since the last reset; those that rules cannot see any more make no difference.
            rules: the rules for this user at that time.
        """
        plain = self._plain if rules is self._rules else None
        counting = counted(findings, rules) if plain is None else counted_plainly(findings, plain)
        asked: list[tuple[int, int, Sequence[CountedFinding]]] = []
        shape = tuple([(one.behavior, one.level) for one in counting])
        for place, group in enumerate(self.groups):
            first = first_seen(group, counting, now)
            if first < len(counting):
                seen = counting[first:] if first else counting
                asked.append((place, self._place(place, group, seen, shape[first:] if first else shape), seen))
        return Sight(now, counting, asked)

    def ask(self, group: int, seen: Sequence[CountedFinding]) -> int:
        """Add what one group sees, and return the place of its input.

        Args:
            group: its place.
        """
        return self._place(group, self.groups[group], seen, tuple([(one.behavior, one.level) for one in seen]))

    def looked(
        self,
        sight: Sight,
        verdicts: Sequence[Sequence[Verdict]],
        held: Mapping[RuleId, datetime],
        undecided: Collection[RuleId],
    ) -> Looked:
        """Return what the verdicts mean for one user.

        Args:
            verdicts: of each input.
            held: the rules that held before.
            undecided: rules that were not evaluated. They keep what they hold until its findings have left their time.
        """
        holding: dict[RuleId, datetime] = {}
        for group, place, _ in sight.asked:
            for verdict in verdicts[place]:
                if verdict.failure is None:
                    rule_id = self.groups[group].rules[verdict.place].rule_id
                    holding[rule_id] = held.get(rule_id, sight.now)
        for rule_id in undecided if held else ():
            rule = self._rules.policies.counting.get(rule_id)
            if rule is not None and rule_id in held and any(sight.now - one.at < rule.within for one in sight.findings):
                holding[rule_id] = held[rule_id]
        return Looked(holding=holding, next_look=next_look(sight.findings, holding, self._rules, sight.now))

    def quiet(self, sights: Iterable[Sight], verdicts: Sequence[Sequence[Verdict]]) -> set[BehaviorId]:
        """Return the behaviors whose finding makes no rule hold, at any time, while it is the user's only one.

        Args:
            sights: of some users.
            verdicts: of each input. All rules were evaluated.

        Returns: nothing if findings expire, if exceptions change their levels, or if rules name more than their levels.
        """
        if self._plain is None or any(group.members for group in self.groups):
            return set()
        return {
            sight.findings[0].behavior
            for sight in sights
            if len(sight.findings) == 1
            and len(sight.asked) == len(self.groups)
            and not any(verdicts[place] for _, place, _ in sight.asked)
        }

    def used(
        self, sight: Sight, verdicts: Sequence[Sequence[Verdict]]
    ) -> dict[RuleId, Sequence[tuple[BehaviorId, FindingId]]]:
        """Return the findings that the rules which hold for one user have used, each with its behavior."""
        used: dict[RuleId, Sequence[tuple[BehaviorId, FindingId]]] = {}
        for group, place, seen in sight.asked:
            for verdict in verdicts[place]:
                if verdict.failure is None:
                    named = [seen[number - 1] for number in verdict.used if 0 < number <= len(seen)]
                    used[self.groups[group].rules[verdict.place].rule_id] = [
                        (one.behavior, one.finding_id) for one in named or seen[-_MAX_USED:]
                    ]
        return used

    def failures(self, verdicts: Sequence[Sequence[Verdict]]) -> dict[RuleId, tuple[int, str]]:
        """Return the number of failed evaluations and the last failure, by rule."""
        counts: Counter[RuleId] = Counter()
        words: dict[RuleId, str] = {}
        for (group, _), some in zip(self.inputs, verdicts, strict=True):
            for verdict in some:
                if verdict.failure is not None:
                    rule_id = self.groups[group].rules[verdict.place].rule_id
                    counts[rule_id] += 1
                    words[rule_id] = verdict.failure
        return {rule_id: (count, words[rule_id]) for rule_id, count in counts.items()}

    def _place(self, place: int, group: RuleGroup, seen: Sequence[CountedFinding], shape: Shape) -> int:
        """Return the place of an input, which may be there already."""
        found = None if group.members else self._shapes.get((place, shape))
        if found is None:
            text = input_of(group.members, seen, self._sources)
            found = self._texts.setdefault((place, text), len(self.inputs))
            if found == len(self.inputs):
                self.inputs.append((place, text))
            if not group.members:
                self._shapes[place, shape] = found
        return found
