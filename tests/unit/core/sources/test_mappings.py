"""A mapping document is read whole, and every problem names its member."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.sources.mappings import MAX_RULES, MappingInvalidError, read_mapping
from riskrelay.core.sources.reasons import IGNORED, Reason, sentence

_RULE = {"when": "a", "gives": "login", "user": "b", "time": "c"}


def _problems(document: object) -> list[str]:
    with pytest.raises(MappingInvalidError) as invalid:
        read_mapping(document)
    assert str(invalid.value)
    return [str(problem) for problem in invalid.value.problems]


def test_a_rule_has_its_own_members_and_the_common_ones() -> None:
    document = read_mapping(
        {
            "kind": "k",
            "common": {"user": ["a", "b"], "time": "t", "ip": "i"},
            "rules": [{"when": "w", "gives": "login", "ip": "j"}],
        }
    )
    assert [(each.at, each.text) for each in document.rules[0].expressions] == [
        ("ip", "j"),
        ("user[0]", "a"),
        ("user[1]", "b"),
        ("time", "t"),
    ]


def test_the_content_keeps_the_order_of_variables() -> None:
    document = read_mapping({"kind": "k", "let": {"b": "x", "a": "$b"}, "rules": [_RULE]})
    assert list(read_mapping(msgspec.json.decode(document.content)).let) == ["b", "a"]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (None, "must be an object"),
        ({"kind": "k"}, "rules: must have at least one rule"),
        ({"kind": "K!", "rules": [_RULE]}, "kind: must be an id"),
        ({"kind": "k", "rules": [_RULE], "x": 1}, "x: is not known here"),
        ({"kind": "k", "rules": {}}, "rules: must be a list"),
        ({"kind": "k", "rules": [_RULE] * (MAX_RULES + 1)}, "rules: must not have more than 64 entries"),
        ({"kind": "k", "rules": [{**_RULE, "when": 1}]}, "rules[0].when: must be an expression"),
        ({"kind": "k", "rules": [{**_RULE, "when": ""}]}, "rules[0].when: must be an expression of 1 to"),
        ({"kind": "k", "rules": [{**_RULE, "gives": []}]}, "rules[0].gives: must be one of finding, login"),
        ({"kind": "k", "rules": [{**_RULE, "gives": "finding"}]}, "rules[0].behavior: must be an id"),
        (
            {"kind": "k", "rules": [{**_RULE, "behavior": "b"}]},
            "rules[0].behavior: belongs to rules that give a finding",
        ),
        ({"kind": "k", "rules": [{**_RULE, "place": {"latitude": "a"}}]}, "rules[0].place.latitude: is not known here"),
        ({"kind": "k", "rules": [{**_RULE, "user": [1]}]}, "rules[0].user[0]: must be an expression"),
        ({"kind": "k", "rules": [{**_RULE, "user": []}]}, "rules[0].user: must have 1 to 24 expressions"),
        ({"kind": "k", "rules": [{"when": "a", "gives": "login", "user": "b"}]}, "rules[0].time: is required"),
        ({"kind": "k", "rules": [{"when": "a", "gives": "login", "time": "b"}]}, "rules[0].user: is required"),
        ({"kind": "k", "rules": [_RULE], "let": {"A": "b"}}, "let.A: must have a name"),
        ({"kind": "k", "rules": [_RULE], "common": {"ip": 5}}, "common.ip: must be an expression"),
        (
            {"kind": "k", "rules": [_RULE], "behaviors": [{"id": "b"}]},
            "behaviors[0].level: must be one of low, medium, high",
        ),
        (
            {"kind": "k", "rules": [_RULE], "ignored": [{"when": "a", "because": "b", "reason": "bad_time"}]},
            "ignored[0].reason",
        ),
        ({"kind": "k", "rules": [{**_RULE, "when": "a" * 70_000}]}, "must not be larger than 65,536 bytes"),
        ({"kind": "k", "rules": [{**_RULE, "evidence": {'a"b': "c"}}]}, 'rules[0].evidence.a"b: must have a name'),
    ],
)
def test_a_problem_names_its_member(document: object, problem: str) -> None:
    assert any(found.startswith(problem) for found in _problems(document))


def test_all_problems_are_found_at_once() -> None:
    assert len(_problems({"kind": "", "rules": [{"when": 1, "gives": "x"}], "ignored": [{}], "y": 1})) >= 6


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["kind", "rules", "when", "user", "place"]), inner),
    max_leaves=12,
)
_MEMBERS = ["kind", "description", "behaviors", "let", "common", "rules", "ignored"]


@given(st.dictionaries(st.sampled_from(_MEMBERS), _JSON))
def test_no_document_raises_another_exception(document: dict[str, Any]) -> None:
    with suppress(MappingInvalidError):
        read_mapping(document)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence(reason: Reason) -> None:
    assert sentence(reason).endswith(".")


def test_ignored_reasons_are_reasons() -> None:
    assert set(Reason) > IGNORED
