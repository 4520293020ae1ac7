"""What rules would have given in the past is what they would have given at each second."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskrelay.actions.trial_rules import RulesInPast
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import DEFAULT_SETTINGS, BehaviorId
from riskrelay.core.risk.findings import FindingId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.looking import Looking
from riskrelay.core.risk.policy_rules import PolicyRule, PolicyRules, RuleId
from riskrelay.core.risk.rule_inputs import RuleFinding
from riskrelay.core.risk.rules import Duration, LevelRules, LevelTimes
from riskrelay.core.risk.trials import NEVER, Ages, Run
from riskrelay.mapping.rule_programs import RulePrograms
from riskrelay.ports import Evaluated, RuleEvaluator
from support.services import NOON

pytestmark = pytest.mark.usefixtures("drop_expressions")

SECOND = timedelta(seconds=1)
MICROS = 1_000_000
START = int(NOON.timestamp())
HIGH, MEDIUM, LOW = BehaviorId("high_dlp"), BehaviorId("imp_travel"), BehaviorId("high_risk_domain")
EXPRESSIONS = (
    'findings[level="low"]',
    "$count(findings) >= 2",
    "$count(findings) = 1",
    '"imp_travel" in findings.behavior',
    "findings[$toMillis(time) % 2000 = 0]",
)


def rule(number: int, within: int) -> PolicyRule:
    return PolicyRule(
        rule_id=RuleId(f"r{number}"),
        name=f"Rule {number}",
        description=None,
        enabled=True,
        within=within * SECOND,
        when=EXPRESSIONS[number],
        level=RiskLevel(1 + number % 3),
        revokes_sessions=number == 1,
        created_at=NOON,
    )


async def evaluate(groups: list[list[str]], inputs: list[tuple[int, str]], _owner: AccountId) -> Evaluated:
    programs = [RulePrograms(group) for group in groups]
    return Evaluated([programs[group].evaluate(text) for group, text in inputs], {})


EVALUATOR = cast(RuleEvaluator, SimpleNamespace(evaluate=evaluate))
FINDINGS = st.lists(st.tuples(st.integers(0, 20), st.sampled_from([HIGH, MEDIUM, LOW])), min_size=1, max_size=5)
POLICIES = st.dictionaries(st.integers(0, 4), st.integers(60, 90), min_size=1, max_size=3)
TIMES = st.dictionaries(
    st.sampled_from([HIGH, MEDIUM, LOW]),
    st.integers(1, 80).map(lambda seconds: Duration(expires_after=seconds * SECOND, low=5 * SECOND)),
    max_size=2,
)


@settings(max_examples=30)
@given(FINDINGS, POLICIES, TIMES)
def test_the_levels_are_those_of_each_second(
    found: list[tuple[int, BehaviorId]], withins: dict[int, int], durations: dict[BehaviorId, Duration]
) -> None:
    """With windows and durations: a look at any second gives the level that the trial has for it."""
    policies = PolicyRules([rule(number, within) for number, within in withins.items()])
    rules = LevelRules(behaviors=DEFAULT_SETTINGS, times=LevelTimes(durations=durations), as_of=NOON, policies=policies)
    ordered = sorted((second, behavior) for second, behavior in found)
    run = Run([(START + second) * MICROS for second, _ in ordered], [behavior for _, behavior in ordered], NEVER)
    past = RulesInPast(rules)
    ages = Ages(past.rules)
    assert past.given([run], ages, 0, (START + 120) * MICROS) is None
    asyncio.run(past.evaluate(EVALUATOR, AccountId("a")))
    result = past.given([run], ages, 0, (START + 120) * MICROS)
    assert result is not None
    for second in range(120):
        now = NOON + second * SECOND
        findings = [RuleFinding(NOON + at * SECOND, one, FindingId("")) for at, one in ordered if at <= second]
        looking = Looking(replace(rules, as_of=now), {})
        sight = looking.see(findings, replace(rules, as_of=now), now)
        programs = [RulePrograms(group.expressions) for group in looking.groups]
        verdicts = [programs[group].evaluate(text) for group, text in looking.inputs]
        expected = policies.level_of(looking.looked(sight, verdicts, {}, ()).holding) or 0
        steps = result.given[0] if result.given else ()
        at = [level for when, level in steps if when <= (START + second) * MICROS]
        assert (at[-1] if at else 0) == expected, second


def test_rules_that_need_what_is_not_read_are_left_out() -> None:
    """They name ids or sources of findings."""
    rules = LevelRules(
        behaviors=DEFAULT_SETTINGS,
        as_of=NOON,
        policies=PolicyRules([rule(0, 60), msgspec.structs.replace(rule(1, 60), when='findings[source="Okta"]')]),
    )
    past = RulesInPast(rules)
    assert (past.left_out, list(past.rules.policies.counting)) == ({"Rule 1"}, ["r0"])
