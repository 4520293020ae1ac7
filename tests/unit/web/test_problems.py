"""Codes, statuses, words and pages: all from one table."""

from pathlib import Path

import pytest

from riskrelay import errors
from riskrelay.errors import Fault, FaultKind, Invalid, RiskrelayError
from riskrelay.web.account_api import problems
from riskrelay.web.error_pages import render_error_index, render_error_page, render_markdown

BASE = "https://risk.example.com"
SECRET = "the database password is hunter2"


def leaves(kind: type[RiskrelayError] = RiskrelayError) -> list[type[RiskrelayError]]:
    """Every error class of the tree that can be raised as such."""
    below = kind.__subclasses__()
    return [kind, *(leaf for child in below for leaf in leaves(child))]


def made(kind: type[RiskrelayError]) -> RiskrelayError:
    """An instance whose text must not be shown unless it is meant for the caller."""
    if kind is Invalid:
        return Invalid([Fault(FaultKind.REQUIRED, "/a", "add it"), Fault(FaultKind.WRONG_TYPE, "/b", "mend it")])
    if kind is errors.BodyTooLarge:
        return errors.BodyTooLarge(5)
    return kind(SECRET)


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_document_whose_page_exists(kind: type[RiskrelayError]) -> None:
    """Walks the error tree: status, code, page; internals never appear."""
    status, entries = problems.status_and_errors(made(kind), BASE)
    assert 400 <= status < 600
    assert status != 409
    assert entries
    for entry in entries:
        assert entry["code"] >= 1000
        assert entry["documentation_url"] == f"{BASE}/docs/errors/{entry['code']}"
        assert render_error_page(entry["code"]) is not None
        assert SECRET not in str(entry)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_of_fault_has_a_code_of_its_own(kind: FaultKind) -> None:
    """400 each, with a wrong and a right example."""
    problem = problems.FAULTS[kind]
    assert problem.status == 400
    page = render_error_page(problem.code)
    assert page is not None
    assert problem.wrong
    assert problem.right


def test_all_faults_are_reported_with_their_pointers() -> None:
    """Contract 3."""
    status, entries = problems.status_and_errors(made(Invalid), BASE)
    assert status == 400
    assert [(entry["source"]["pointer"], entry["message"]) for entry in entries] == [
        ("/a", "add it"),
        ("/b", "mend it"),
    ]


def test_codes_are_unique_and_listed() -> None:
    """The table has each code once; the index and docs/errors.md have all of them."""
    codes = [problem.code for problem in problems.PROBLEMS]
    assert len(codes) == len(set(codes))
    index = render_error_index()
    assert all(f"/docs/errors/{code}" in index for code in codes)
    assert (Path(__file__).parents[3] / "docs" / "errors.md").read_text() == render_markdown()


def test_an_unknown_code_has_no_page() -> None:
    """None, so that the route can answer 404."""
    assert render_error_page(4711) is None
