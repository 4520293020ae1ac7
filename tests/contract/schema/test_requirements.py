"""specs/requirements.csv says the truth: its tests exist, its divergences are written down, its page is up to date."""

import re
from collections import Counter

from support.requirements import (
    DIVERGENCES,
    LEVELS,
    PAGE,
    PARTIES,
    Requirement,
    is_a_test,
    read_requirements,
    render_page,
)

REQUIREMENTS = read_requirements()


def broken(*conditions: tuple[str, bool]) -> list[str]:
    return [what for what, holds in conditions if not holds]


def faults_of(row: Requirement) -> list[str]:
    """What is wrong with the form of one row."""
    prefix = row.document.replace("RFC ", "RFC").partition(" ")[0]
    return broken(
        ("the id starts with document and section", row.id.startswith(f"{prefix}-{row.section}-")),
        ("the level is one of RFC 2119's", row.level in LEVELS),
        ("it binds a party", row.binds in PARTIES),
        ("it says something, in one line without a bar", bool(row.text) and not set(row.text) & set("|\n")),
        ("it binds us and has proofs, or it does not", not (row.not_applicable and (row.tests or row.divergence))),
    )


def test_each_requirement_is_well_formed_and_named_once() -> None:
    """Rows are read by people and programs."""
    faults = {row.id: faults for row in REQUIREMENTS if (faults := faults_of(row))}
    assert faults == {}
    assert [one for one, count in Counter(row.id for row in REQUIREMENTS).items() if count > 1] == []


def test_each_requirement_is_held_diverged_from_or_does_not_bind_us() -> None:
    """A requirement without a test, a line in docs/divergences.md, or a reason why it does not bind us."""
    assert [row.id for row in REQUIREMENTS if row.standing == "open"] == []


def test_the_tests_that_requirements_name_exist() -> None:
    """A test that is renamed or removed takes its requirements with it."""
    assert [(row.id, named) for row in REQUIREMENTS for named in row.tests if not is_a_test(named)] == []


def test_the_divergences_that_requirements_name_are_written_down() -> None:
    """And none is written down twice."""
    anchors = re.findall(r'<a id="([a-z0-9-]+)"></a>', DIVERGENCES.read_text())
    assert [one for one, count in Counter(anchors).items() if count > 1] == []
    assert [row.id for row in REQUIREMENTS if row.divergence and row.divergence not in anchors] == []


def test_the_page_is_made_from_the_requirements() -> None:
    """`PYTHONPATH=tests python -m support.requirements > docs/conformance.md` fixes it."""
    assert PAGE.read_text() == render_page(REQUIREMENTS)
