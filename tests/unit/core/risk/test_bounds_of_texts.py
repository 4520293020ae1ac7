"""The names, descriptions and expressions that an account may give its behaviors and rules."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from riskrelay.core.risk.behaviors import description_problem, id_problem, is_id, name_problem
from riskrelay.core.risk.policy_rules import (
    MAX_WITHIN,
    MIN_WITHIN,
    Member,
    expression_problem,
    members_in,
    rule_description_problem,
    rule_name_problem,
    within_problem,
)

Problem = Callable[[str], str | None]
NAME = "must have 1 to 100 printable characters, and no space at its beginning or its end"
RULE_NAME = "must have 1 to 100 printable characters without double quotes, and no space at its beginning or its end"
ID = "must have 1 to 50 lower-case letters, digits and underscores, and begin with a letter"
CHARACTERS = "must have 1 to 2,000 characters"


@pytest.mark.parametrize(
    ("problem", "text", "said"),
    [
        (name_problem, "V", None),
        (name_problem, "V" * 100, None),
        (name_problem, "V" * 101, NAME),
        (name_problem, "", NAME),
        (name_problem, " V", NAME),
        (name_problem, "V ", NAME),
        (name_problem, "V\n", NAME),
        (name_problem, 'VPN "abroad"', None),
        (rule_name_problem, "R" * 100, None),
        (rule_name_problem, "R", None),
        (rule_name_problem, "R" * 101, RULE_NAME),
        (rule_name_problem, "", RULE_NAME),
        (rule_name_problem, "R ", RULE_NAME),
        (rule_name_problem, "R\x01R", RULE_NAME),
        (rule_name_problem, 'Two "lows"', RULE_NAME),
        (description_problem, "", None),
        (description_problem, "d" * 1_000, None),
        (description_problem, "d" * 1_001, "must be one line of at most 1,000 printable characters"),
        (description_problem, "d\n", "must be one line of at most 1,000 printable characters"),
        (rule_description_problem, "d" * 500, None),
        (rule_description_problem, "d" * 501, "must be one line of at most 500 printable characters"),
        (rule_description_problem, "d\n", "must be one line of at most 500 printable characters"),
        (id_problem, "vpn_2", None),
        (id_problem, "v" * 50, None),
        (id_problem, "v" * 51, ID),
        (id_problem, "Vpn", ID),
        (id_problem, "2vpn", ID),
        (id_problem, "", ID),
        (id_problem, "high_dlp", "high_dlp is a built-in behavior; choose another id"),
        (expression_problem, "true", None),
        (expression_problem, "x" * 2_000, None),
        (expression_problem, "x" * 2_001, CHARACTERS),
        (expression_problem, " \n", CHARACTERS),
        (expression_problem, "a\x00", "must not have control characters"),
    ],
)
def test_a_text_is_taken_or_the_message_says_what_it_must_be(problem: Problem, text: str, said: str | None) -> None:
    """At each bound, and one beyond it."""
    assert problem(text) == said


def test_an_id_begins_with_a_letter_and_fits() -> None:
    """Only lower-case ASCII letters, digits and underscores."""
    ids = {"a": True, "a_1": True, "é": False, "a-b": False, "_a": False, "a" * 50: True, "a" * 51: False}
    assert {text: is_id(text) for text in ids} == ids


def test_the_time_of_a_rule_is_bounded_on_both_sides() -> None:
    """The message names the bounds in seconds."""
    second = timedelta(seconds=1)
    assert [within_problem(within) for within in (MIN_WITHIN, MAX_WITHIN)] == [None, None]
    for within in (MIN_WITHIN - second, MAX_WITHIN + second):
        assert within_problem(within) == "must be 60 to 7,776,000 seconds"


def test_an_expression_gets_the_members_that_it_names() -> None:
    """As whole words."""
    assert members_in("findings[id = 'a' and source = 'b'].time") == {Member.ID, Member.SOURCE, Member.TIME}
    assert members_in("findings.identity") == frozenset()
