"""Expressions of rules: evaluated together, and one by one where one fails, so that the others still hold."""

import pytest

from riskrelay.core.risk.rule_inputs import Verdict
from riskrelay.mapping.rule_programs import RulePrograms, rule_problem

pytestmark = pytest.mark.usefixtures("drop_expressions")

TWO = '{"findings":[{"n":1,"behavior":"a","level":"low"},{"n":2,"behavior":"b","level":"high"}]}'
FAILS = "$number(findings[0].behavior) > 1"


@pytest.mark.parametrize(
    ("when", "verdict"),
    [
        ("true", Verdict(0)),
        ("$count(findings) > 2", None),
        ("findings", Verdict(0, (1, 2))),
        ('findings[level="high"]', Verdict(0, (2,))),
        ('findings[level="medium"]', None),
        ("[]", None),
        ("null", None),
        ("missing", None),
        ("true /* a comment */", Verdict(0)),
        ("$count(findings)", Verdict(0, (), "the expression gives neither true or false nor findings")),
        ("findings.behavior", Verdict(0, (), "the expression gives neither true or false nor findings")),
        (FAILS, Verdict(0, (), "a value cannot be converted to a number (D3030)")),
        ("$now() > 1", Verdict(0, (), "there is no such function (T1006)")),
    ],
)
def test_an_expression_gives_true_or_findings(when: str, verdict: Verdict | None) -> None:
    """False, nothing and an empty list mean that the rule does not hold; anything else is a failure."""
    assert RulePrograms([when]).evaluate(TWO) == ([] if verdict is None else [verdict])


def test_an_expression_that_fails_costs_only_itself() -> None:
    """Also one that does not compile: each has its own place, in the order of the group."""
    group = ["true", FAILS, "findings[", "false", 'findings[level="low"]']
    verdicts = RulePrograms(group).evaluate(TWO)
    assert [(one.place, one.used, one.failure is None) for one in verdicts] == [
        (0, (), True),
        (1, (), False),
        (2, (), False),
        (4, (1,), True),
    ]
    assert [one.place for one in RulePrograms(["false", "true", "findings[0]"]).evaluate(TWO)] == [1, 2]


def test_the_last_findings_are_named() -> None:
    """At most ten, each once."""
    many = '{"findings":[' + ",".join(f'{{"n":{n}}}' for n in range(1, 21)) + "]}"
    (verdict,) = RulePrograms(["[findings, findings]"]).evaluate(many)
    assert verdict.used == tuple(range(11, 21))


@pytest.mark.parametrize(
    ("when", "is_accepted"),
    [
        ('$count(findings[level="low"]) >= 2', True),
        ("findings[", False),
        ('true), "1": (true', False),
        ("$count(findings)", False),
        ("$frobnicate(findings)", False),
        ("$map([1..100000000], function($i) { $i }) = 1", True),  # it fails for each user, and is counted
    ],
)
def test_an_expression_is_checked_before_it_is_stored(when: str, is_accepted: bool) -> None:
    """It compiles, calls known functions, and gives no number; whether it fails for a user is only known then."""
    assert (rule_problem(when) is None) is is_accepted
