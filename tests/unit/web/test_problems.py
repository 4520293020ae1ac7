"""Codes, statuses, words and pages: all from one table."""

import json
import re
from collections.abc import MutableMapping
from contextlib import nullcontext
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from riskrelay.core import errors
from riskrelay.core.errors import (
    MAX_FAULTS,
    MAX_MESSAGE_CHARACTERS,
    MAX_POINTER_CHARACTERS,
    Fault,
    FaultKind,
    Invalid,
    NotFound,
    RiskrelayError,
    member_name,
)
from riskrelay.core.errors import pointer as make_pointer
from riskrelay.web.account_api import problem_table, problems
from riskrelay.web.app import create_app
from riskrelay.web.documentation.errors import statuses
from riskrelay.web.documentation.site import site
from support.services import services_of
from support.transmitting import transmitting_of

BASE = "https://risk.example.com"
PAGES = "/docs/errors"
SECRET = "the database password is hunter2"


def html(path: str) -> str:
    """The content of a page of the documentation, without its frame."""
    page = site().page(path)
    assert page is not None
    return page.plain.body.decode().partition("<main")[2].partition("</main>")[0]


def leaves(kind: type[RiskrelayError] = RiskrelayError) -> list[type[RiskrelayError]]:
    """Every error class of the tree that can be raised as such."""
    below = kind.__subclasses__()
    return [kind, *(leaf for child in below for leaf in leaves(child))]


def made(kind: type[RiskrelayError]) -> RiskrelayError:
    """An instance whose text must not be shown unless it is meant for the caller."""
    if kind is Invalid:
        return Invalid([Fault(FaultKind.REQUIRED, "/a", "add it"), Fault(FaultKind.WRONG_TYPE, "/b", "fix it")])
    if kind is errors.BodyTooLarge:
        return errors.BodyTooLarge(5)
    return kind(SECRET)


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_document_whose_page_exists(kind: type[RiskrelayError]) -> None:
    """Walks the error tree: status, code, page; internals never appear."""
    status, entries = problems.status_and_errors(made(kind), BASE, {})
    assert 400 <= status < 600
    assert status != 409
    assert entries
    for entry in entries:
        assert entry["code"] >= 1000
        assert entry["documentation_url"] == f"{BASE}/docs/errors/{entry['code']}"
        assert html(f"{PAGES}/{entry['code']}")
        assert SECRET not in str(entry)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_of_fault_has_a_code_of_its_own(kind: FaultKind) -> None:
    """400 each, with a wrong and a right example."""
    problem = problems.problem_for_fault(kind)
    assert [row for row in problem_table.FAULTS.values() if row.code == problem.code] == [problem]
    assert problem.status == 400
    assert html(f"{PAGES}/{problem.code}")
    assert problem.wrong
    assert problem.right


def test_an_error_without_a_row_has_that_of_the_class_above() -> None:
    """A new kind of Unavailable is still 503, and a new way to lack credentials never a 500."""

    class Draining(errors.Unavailable):
        """Made up."""

    class Stale(errors.Unauthenticated):
        """Made up."""

    assert problems.problem_for(Draining(SECRET)) is problem_table.UNAVAILABLE
    assert problems.problem_for(Stale(SECRET)) is problem_table.UNKNOWN_TOKEN


@pytest.mark.parametrize("kind", [errors.Misconfigured, errors.LeaseLost, errors.Unavailable, errors.UserMismatch])
def test_an_internal_error_has_one_fixed_message(kind: type[RiskrelayError]) -> None:
    """500 or 503, and two of them with different texts look the same."""
    status, entries = problems.status_and_errors(kind(SECRET), BASE, {})
    assert status in (500, 503)
    assert problems.status_and_errors(kind("another text"), BASE, {}) == (status, entries)


class _BrokenStore:
    """Fails with an exception that is none of the domain's."""

    async def read_installation(self, _work: object) -> object:
        raise RuntimeError(SECRET)


async def _get(app: Starlette, path: str) -> tuple[int, bytes]:
    """Ask *app* without a server; what it raises after it has answered is left to the server."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    with pytest.raises(RuntimeError):
        await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


async def test_the_text_of_an_unknown_exception_is_never_shown() -> None:
    """500 with an envelope and the fixed message; the text goes to the log."""
    services = services_of(cast(Any, _BrokenStore()))
    app = create_app(services, transmitting_of(), BASE, lambda _app: nullcontext())
    status, body = await _get(app, "/jwks.json")
    assert status == 500
    assert SECRET.encode() not in body
    assert json.loads(body) == problems.failure([problems.entry(problem_table.INTERNAL, BASE)])


def test_all_faults_are_reported_with_their_pointers() -> None:
    """One response names all faults of a request (contract 3)."""
    status, entries = problems.status_and_errors(made(Invalid), BASE, {})
    assert status == 400
    assert [(entry["source"]["pointer"], entry["message"]) for entry in entries] == [
        ("/a", "a: add it"),
        ("/b", "b: fix it"),
    ]


@pytest.mark.fault(47)
def test_the_first_hundred_faults_are_named_and_the_others_counted() -> None:
    """Contract 3 within bounds: the last error has a code of its own and says how many more there are."""
    many = [Fault(FaultKind.WRONG_TYPE, f"/{place}/id", "must be a string") for place in range(9_000)]
    _, entries = problems.status_and_errors(Invalid(many), BASE, {})
    assert len(entries) == MAX_FAULTS + 1
    assert {entry["code"] for entry in entries[:-1]} == {1102}
    assert entries[-1] == problems.entry(problem_table.MORE_FAULTS, BASE, "… and 8,900 more faults")
    _, entries = problems.status_and_errors(Invalid(many[:MAX_FAULTS], more=1), BASE, {})
    assert entries[-1]["message"] == "… and 1 more fault"
    _, entries = problems.status_and_errors(Invalid(many[:MAX_FAULTS]), BASE, {})
    assert len(entries) == MAX_FAULTS


@pytest.mark.fault(47)
def test_a_long_message_is_cut() -> None:
    """Whatever a message repeats of the request."""
    _, (entry,) = problems.status_and_errors(Invalid([Fault(FaultKind.WRONG_VALUE, "/a", "x" * 10**6)]), BASE, {})
    assert len(entry["message"]) == MAX_MESSAGE_CHARACTERS


@pytest.mark.parametrize(
    ("pointer", "name"),
    [
        ("", ""),
        ("/reference_id", "reference_id"),
        ("/user/email", "user.email"),
        ("/scopes/0", "scopes[0]"),
        ("/behaviors/a~1b/enabled", "behaviors.a/b.enabled"),
        ("/17", "item 17"),
        ("/17/user/email", "user.email of item 17"),
        ("/17/evidences/2/user", "evidences[2].user of item 17"),
    ],
)
def test_a_message_begins_with_the_name_of_its_member(pointer: str, name: str) -> None:
    """Some clients show nothing but the message."""
    assert member_name(pointer) == name
    _, (entry,) = problems.status_and_errors(Invalid([Fault(FaultKind.REQUIRED, pointer, "is required")]), BASE, {})
    assert entry["message"] == (f"{name}: is required" if name else "is required")


@given(st.lists(st.text() | st.integers(0), max_size=40))
def test_a_pointer_is_short_and_well_formed(parts: list[str | int]) -> None:
    """RFC 6901, also where it is cut; it can be encoded."""
    text = make_pointer(parts)
    assert len(text) <= MAX_POINTER_CHARACTERS
    assert re.fullmatch(r"(/([^/~]|~[01])*)*", text, re.DOTALL)
    assert text.encode().decode() == text


def test_codes_are_unique_and_listed() -> None:
    """Each code is in the table once, and the index lists all codes."""
    codes = [problem.code for problem in problem_table.PROBLEMS]
    assert len(codes) == len(set(codes))
    assert min(codes) >= 1000
    index = html(PAGES)
    assert all(f"/docs/errors/{code}" in index for code in codes)


def test_nothing_is_answered_with_409() -> None:
    """Contract 5: SDKs send a request again after a 409 unless a header tells them not to; so there is none."""
    assert 409 not in {row.status for row in problem_table.ROWS}
    assert 409 not in {problems.problem_for_status(status).status for status in range(400, 600)}


def test_an_unknown_code_has_no_page() -> None:
    """None, so that the route can answer 404."""
    assert site().page(f"{PAGES}/4711") is None


@pytest.mark.parametrize("problem", problem_table.PROBLEMS, ids=lambda problem: str(problem.code))
def test_a_page_shows_all_of_its_row(problem: problem_table.Problem) -> None:
    """Code, statuses and title; examples as code, escaped; nothing loaded from elsewhere."""
    page = html(f"{PAGES}/{problem.code}")
    assert f"<h1>{problem.code} {problem.title}</h1>" in page
    assert f"HTTP {statuses(problem.code)}." in page
    assert "`" not in page
    assert page.count("<code>") == sum(t.count("`") for t in (problem.explanation, problem.wrong, problem.right)) / 2
    assert "src=" not in page
    assert 'href="http' not in page


def test_one_code_can_have_two_statuses() -> None:
    """Contract 15: 401 and 403 are both 10000."""
    assert problem_table.UNKNOWN_TOKEN.status == 401
    assert problem_table.FORBIDDEN.status == 403
    assert statuses(10000) == "401 or 403"


def test_the_envelope_has_exactly_its_members() -> None:
    """Contract 1 to 3; result_info only where it is given."""
    assert problems.success([1]) == {"errors": [], "messages": [], "result": [1], "success": True}
    assert problems.success([], {"count": 0})["result_info"] == {"count": 0}
    error = problems.entry(problem_table.NOT_FOUND, BASE)
    assert problems.failure([error]) == {"errors": [error], "messages": [], "result": {}, "success": False}
    assert set(error) == {"code", "message", "documentation_url", "source"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ({"account_id": "acme"}, "account not found; check the id"),
        ({"token_id": "7"}, "token not found; check the id"),
        ({"account_id": "acme", "user_id": "7"}, "user not found in this account; check the id"),
        (
            {"account_id": "acme", "integration_id": "6f", "replay_id": "8"},
            "replay not found in this account; check the id",
        ),
        ({}, "not found in this account; check the id"),
    ],
)
def test_the_kind_of_a_missing_object_is_named(path: dict[str, str], message: str) -> None:
    """The message names the kind of object that the path identifies, but not its id."""
    _, (entry,) = problems.status_and_errors(NotFound(), BASE, path)
    assert entry["message"] == message
