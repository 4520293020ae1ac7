"""About whom a stream carries events (SSF 1.0 §8.1.3)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.ssf.subject_filters import HEARS_ALL, SubjectFilter, SubjectStatement
from riskrelay.core.ssf.subjects import email_subject, matches, opaque_subject, subject_key

Subject = dict[str, Any]

SIMPLE = st.sampled_from([email_subject(f"{name}@example.com") for name in "ab"] + [opaque_subject("1")])
COMPLEX = st.dictionaries(st.sampled_from(["user", "tenant"]), SIMPLE, min_size=1).map(
    lambda members: {"format": "complex", **members}
)
SUBJECTS = SIMPLE | COMPLEX


def complex_subject(**members: Subject) -> Subject:
    return {"format": "complex", **members}


@given(st.lists(st.tuples(SUBJECTS, st.booleans())), SUBJECTS)
def test_the_last_matching_statement_decides(said: list[tuple[Subject, bool]], subject: Subject) -> None:
    """As a naive model says that walks all statements from the last to the first."""
    statements = [SubjectStatement(subject_key(about), removed, place) for place, (about, removed) in enumerate(said)]
    latest = {statement.key: statement for statement in statements}
    expected = True
    for statement in reversed(statements):
        if matches(statement.subject, subject):
            expected = not statement.is_removed
            break
    assert SubjectFilter(list(latest.values())).accepts(subject) is expected


def test_everybody_is_heard_by_default() -> None:
    """default_subjects ALL."""
    assert HEARS_ALL.accepts(email_subject("kai@example.com"))


def test_one_may_be_added_out_of_a_wider_removal() -> None:
    """A tenant is removed, one of its users added again."""
    tenant, user = opaque_subject("t"), email_subject("kai@example.com")
    said = [
        SubjectStatement(subject_key(complex_subject(tenant=tenant)), True, 1),
        SubjectStatement(subject_key(complex_subject(tenant=tenant, user=user)), False, 2),
    ]
    heard = SubjectFilter(said)
    assert heard.accepts(complex_subject(tenant=tenant, user=user))
    assert not heard.accepts(complex_subject(tenant=tenant, user=email_subject("ana@example.com")))
