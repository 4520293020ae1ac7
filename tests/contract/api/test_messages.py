"""What an error says: the name of the member first, in our words, for every operation that takes a body."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from riskrelay.core.errors import member_name
from support.contract import ACCOUNT_PREFIX, examples, filled, operations
from support.machines import SOAK
from support.service import Service
from support.wire import exchange, request

TAKING_JSON = [
    pytest.param(
        path, method.upper(), operation["requestBody"]["content"]["application/json"], id=operation["operationId"]
    )
    for path, method, operation in operations()
    if path.startswith(ACCOUNT_PREFIX) and "application/json" in operation.get("requestBody", {}).get("content", {})
]
BAD_REQUESTS = Path(__file__).parents[3] / "specs" / "bad" / "requests"
WRONG: list[Any] = [
    None,
    0,
    -1,
    1.5,
    10**19,
    True,
    "",
    "no such value",
    "x" * 5_000,
    "a\u0000",
    [],
    {},
    [[]],
    {"a": 1},
    [None],
]
NO_JSON = rb"""
{ [1, nul {"a"~1} {"a":1,} {'a':1} "~ "\x" NaN 1~2 "a [}
""".replace(b"~", b"\n").split(b" ")
NO_JSON += [b"", b"\xff"]

# What pydantic, msgspec, Python's json and datetime, SQLAlchemy and httptools say.
LIBRARIES = re.compile(
    r"Input should|valid (string|integer|number|boolean|dictionary|list|datetime|JSON)|Expecting|Extra data|"
    r"Unterminated|Invalid control|Expected `|malformed:|truncated|JSON is|datetime|isoformat|instance of|pydantic|"
    r"msgspec|sqlalchemy|Traceback|Error\b|codec|delimiter",
)


def changed(document: Any) -> Iterator[Any]:
    """*document* with each of its values, at every depth, replaced and left out."""
    for place in _places(document):
        for wrong in WRONG:
            yield _with(document, place, wrong)
        if isinstance(place[-1], str):
            yield _with(document, place, ...)


def _places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*at, key)
        yield from _places(item, (*at, key))


def _with(document: Any, place: tuple[str | int, ...], value: Any) -> Any:
    made = copy.deepcopy(document)
    holder = made
    for part in place[:-1]:
        holder = holder[part]
    if value is ...:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return made


def check(envelope: dict[str, Any]) -> None:
    for error in envelope["errors"]:
        name = member_name(error["source"]["pointer"])
        assert not name or error["message"].startswith(f"{name}: "), error
        assert not LIBRARIES.search(error["message"]), error


@pytest.mark.soak
@pytest.mark.parametrize(("path", "method", "content"), TAKING_JSON)
def test_a_message_names_its_member_and_no_library_speaks(
    service: Service, path: str, method: str, content: dict[str, Any]
) -> None:
    """Each member of each example absent, of another type, empty, too long, out of bounds; and no JSON at all. In CI a
    third of them: each member, and each wrong value with some member."""
    known = {"account_id": service.account_id}
    if "{integration_id}" in path:
        known["integration_id"] = service.create_integration("https://example.com")["id"]
    target = filled(path, **known)
    bodies = [*NO_JSON, *(b"[" + body + b"]" for body in NO_JSON)]
    for example in examples(content)[:3]:
        bodies += [json.dumps(one).encode() for one in changed(example)][:: 1 if SOAK else 3]
    refused = 0
    for body in bodies:
        answer = exchange(
            int(service.settings["RISKRELAY_PORT"]),
            request(method, target, body, Authorization=f"Bearer {service.token}", Content_Type="application/json"),
        )
        assert answer is not None
        assert answer.status in (200, 400, 404), (answer.status, body[:200])
        if answer.status == 400:
            refused += 1
            check(answer.envelope)
    assert refused > len(NO_JSON)


@pytest.mark.parametrize("document", sorted(BAD_REQUESTS.glob("*.json")), ids=lambda path: path.stem)
def test_bad_security_events_are_explained_in_our_words(service: Service, document: Path) -> None:
    """The bad requests of the specifications."""
    status, envelope = service.call("POST", "/security_events", json.loads(document.read_text())["body"])
    assert status == 400
    assert envelope["errors"]
    check(envelope)


@pytest.mark.parametrize(
    "query",
    [
        "/summary?page=0",
        "/summary?per_page=x",
        "/integrations/{id}/deliveries?state=x",
        "/audit?kind=x",
        "/audit?cursor=x",
    ],
)
def test_a_message_on_the_query_names_the_parameter(service: Service, query: str) -> None:
    """The pointer cannot: it points into the body."""
    path = query.replace("{id}", service.create_integration("https://example.com")["id"])
    status, envelope = service.call("GET", path)
    assert status == 400
    name = query.partition("?")[2].partition("=")[0]
    assert envelope["errors"][0]["message"].startswith(f"{name}: must be ")
