"""A document's rules decide in order, and a failing expression is named."""

from typing import Any

import msgspec
import pytest

from riskrelay.core.sources.mappings import read_mapping
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import ActivitySignal, FindingSignal, Ignored, Mapped, Refused
from riskrelay.mapping.compiled import CompiledMapping, check_expressions

pytestmark = pytest.mark.usefixtures("drop_expressions")

_EVENT = {"type": "a", "mail": "kai@example.com", "at": "2026-11-29T10:00:00Z", "n": None, "s": "text", "number": 5}


def _document(**rule: Any) -> dict[str, Any]:
    return {"kind": "k", "rules": [{"when": 'type = "a"', "gives": "login", "user": "mail", "time": "at", **rule}]}


def _map(document: dict[str, Any], event: dict[str, Any] | None = None) -> Mapped:
    mapping = CompiledMapping(read_mapping(document))
    return mapping.map(msgspec.json.encode(_EVENT if event is None else event, order="deterministic"))


def test_the_first_rule_that_applies_decides() -> None:
    document = _document(application='"first"')
    document["rules"].append({**document["rules"][0], "when": "true", "application": '"second"'})
    first, second = _map(document), _map(document, {**_EVENT, "type": "b"})
    assert isinstance(first, ActivitySignal)
    assert first.application == "first"
    assert isinstance(second, ActivitySignal)
    assert second.application == "second"


def test_ignored_entries_come_after_the_rules() -> None:
    document = _document() | {"ignored": [{"when": "true", "because": "All else.", "reason": "logoff"}]}
    assert isinstance(_map(document), ActivitySignal)
    assert _map(document, {}) == Ignored(reason=Reason.LOGOFF, detail="All else.")


def test_an_event_without_a_rule_is_not_mapped() -> None:
    assert _map(_document(), {"type": "b"}) == Ignored(reason=Reason.NOT_MAPPED)


def test_variables_may_use_those_before_them() -> None:
    document = _document(when="$second") | {"let": {"first": "type", "second": '$first = "a"'}}
    assert isinstance(_map(document), ActivitySignal)
    assert check_expressions(read_mapping(document)) == ()


def test_a_variable_that_a_member_assigns_is_its_own() -> None:
    """Expressions that assign nothing are written into the whole document without a scope."""
    document = _document(application="$v := type", full_name="$v") | {"let": {"v": "s"}}
    became = _map(document)
    assert isinstance(became, ActivitySignal)
    assert (became.application, became.full_name) == ("a", "text")


@pytest.mark.parametrize("when", ['type = "a" ? true : false', '($v := type; $v = "a")', 'absent ?: type = "a"'])
def test_a_condition_may_have_any_form(when: str) -> None:
    document = _document(when=when)
    assert isinstance(_map(document), ActivitySignal)
    assert isinstance(_map(document, {**_EVENT, "type": "b"}), Ignored)


def test_candidates_may_have_any_form() -> None:
    document = _document(user=["absent", "absent ? 1 : absent", "$not(absent) and number", "[absent, [mail]]", "s"])
    became = _map(document)
    assert isinstance(became, ActivitySignal)
    assert became.identities == ("kai@example.com",)


def test_members_that_the_signal_does_not_have_are_not_computed() -> None:
    """Those of `common` are for all rules: an activity has no title, a finding no place."""
    failing = "number.$lowercase($)"
    login = _document() | {"common": {"title": failing}}
    finding = _document(gives="finding", behavior="b") | {"common": {"anonymous": failing, "place": {"lat": failing}}}
    assert isinstance(_map(login), ActivitySignal)
    assert isinstance(_map(finding), FindingSignal)


def test_an_own_member_replaces_the_common_one() -> None:
    document = _document(application='"own"') | {"common": {"application": '"common"', "policy": '"p"'}}
    became = _map(document)
    assert isinstance(became, ActivitySignal)
    assert (became.application, became.policy) == ("own", "p")


@pytest.mark.parametrize("member", ["user", "time", "id", "ip", "anonymous"])
def test_a_required_member_that_fails_refuses_the_event(member: str) -> None:
    refused = _map(_document(**{member: "number.$lowercase($)"}))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.pointer) == (Reason.EXPRESSION_FAILED, f"rules[0].{member}")
    assert "T0410" in refused.detail


@pytest.mark.parametrize("member", ["place", "application", "policy", "evidence"])
def test_an_optional_member_that_fails_is_absent(member: str) -> None:
    became = _map(_document(**{member: "number.$lowercase($)"}))
    assert isinstance(became, ActivitySignal)
    assert became.identities == ("kai@example.com",)


def test_a_condition_that_fails_is_named_when_no_other_applies() -> None:
    document = _document(when="number > type")
    assert _map(document) == Refused(
        reason=Reason.EXPRESSION_FAILED,
        pointer="rules[0].when",
        detail="the two sides of a comparison have different types (T2009)",
    )
    document["rules"].append({**document["rules"][0], "when": "true"})
    assert isinstance(_map(document), ActivitySignal)


def test_a_variable_that_fails_is_named() -> None:
    document = _document(when='$v = "x"') | {"let": {"v": "$uppercase(number)"}}
    refused = _map(document)
    assert isinstance(refused, Refused)
    assert refused.pointer == "let.v"


def test_a_null_that_makes_an_expression_fail_counts_as_absent() -> None:
    assert isinstance(_map(_document(application="$lowercase(n)", user='$lowercase(n) ? "x" : mail')), ActivitySignal)
    assert isinstance(_map(_document(when='$contains(n, "x") or type = "a"')), ActivitySignal)


def test_a_failed_expression_does_not_repeat_the_event() -> None:
    refused = _map(_document(time="$number(mail)"))
    assert isinstance(refused, Refused)
    assert "kai" not in refused.detail


@pytest.mark.parametrize("call", ["$now()", "$millis()", "$random()", "$shuffle([1, 2])", '$eval("1")'])
def test_an_expression_sees_the_event_and_nothing_else(call: str) -> None:
    document = read_mapping(_document(application=call) | {"let": {"v": call}})
    assert [problem.at for problem in check_expressions(document)] == ["let.v", "rules[0].application"]
    alias = call.partition("(")[0]
    refused = _map(_document(user=f"($f := {alias}; $f([1]))"))
    assert isinstance(refused, Refused)


@pytest.mark.parametrize(
    ("member", "text", "problem"),
    [
        ("when", "type = ", "rules[0].when: is not JSONata: S0207: Unexpected end of expression"),
        ("user", ["mail", "(mail"], "rules[0].user[1]: is not JSONata: S0203: Expected RightParen"),
        ("place", {"lat": "1", "lon": "a b"}, "rules[0].place.lon: is not JSONata: S0201: Syntax error"),
        ("time", "$frob(at)", "rules[0].time: there is no such function (T1006)"),
        ("time", "at) , (at", "rules[0].time: is not JSONata: "),
        ("time", "at /* open", "rules[0].time: is not JSONata: "),
        ("time", "(" * 1_500 + "at" + ")" * 1_500, "rules[0].time: is not JSONata: U1002"),
    ],
)
def test_a_problem_names_its_rule_and_member(member: str, text: object, problem: str) -> None:
    (found,) = check_expressions(read_mapping(_document(**{member: text})))
    assert str(found).startswith(problem)


def test_the_largest_document_can_be_evaluated() -> None:
    document = _document()
    rule, ignored = document["rules"][0], {"when": "type = 1", "because": "x"}
    document["rules"] = [{**rule, "when": f'type = "{place}"'} for place in range(64)]
    document["ignored"] = [ignored] * 63 + [{"when": "true", "because": "The last."}]
    document["let"] = {f"v{place}": "type" for place in range(32)}
    assert check_expressions(read_mapping(document)) == ()
    assert _map(document) == Ignored(reason=Reason.NOT_A_SIGNAL, detail="The last.")
    assert isinstance(_map(document, {**_EVENT, "type": "63"}), ActivitySignal)
