"""Two accounts, every route, each with the other's ids and tokens (contract 9, 15, 16).

The routes are read from the application itself, so a new one is held to this without further ado
(tests/support/crossing.py says how). Receiver routes: covered in tests/protocol/test_isolation.py.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from riskrelay.core.credentials import Scope
from support.contract import DOCUMENT
from support.crossing import (
    OF_ACCOUNTS,
    OF_SENDERS,
    OF_THE_INSTALLATION,
    THING_NAMES,
    body_for,
    everything_of,
    routes,
    things_of,
    without_base,
)
from support.service import Service

ACCOUNT_ROUTES = [
    (method, path)
    for method, path in routes()
    if without_base(path).startswith(OF_ACCOUNTS) and without_base(path) != OF_SENDERS
]
INSTALLATION_ROUTES = [
    (method, path) for method, path in routes() if without_base(path).startswith(OF_THE_INSTALLATION)
]
UNKNOWN = dict.fromkeys(THING_NAMES, "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e")

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Side:
    """An account, its token with every scope, and the ids of one of everything in it."""

    service: Service
    account_id: str
    token: str
    things: dict[str, str]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """Two accounts of one service that hold the same kinds of things."""
    service = Service(tmp_path_factory.mktemp("isolation"))
    service.start()
    one, other = (_side(service, account_id) for account_id in ("one", "other"))
    yield one, other
    assert service.stop() == 0


def _side(service: Service, account_id: str) -> Side:
    service.account_id, service.token = account_id, service.new_token(account_id)
    things = things_of(service)
    assert set(things) == THING_NAMES
    return Side(service, account_id, service.token, things)


def ask(service: Service, token: str, method: str, path: str, things: dict[str, str]) -> Answer:
    """Call a route with those ids in its path, and with the contract's example as its body."""
    body = body_for(method, path)
    for name, value in things.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    assert "{" not in path
    status, _, envelope = service.exchange(method, path, body, Authorization=f"Bearer {token}")
    return status, envelope


def everything(side: Side) -> str:
    side.service.account_id, side.service.token = side.account_id, side.token
    return everything_of(side.service)


def test_a_strangers_token_gets_one_and_the_same_403(sides: tuple[Side, Side]) -> None:
    """On every route of an account, with ids that exist there, with ids that nobody has, and in an account that does
    not exist: the same status and the same body, and nothing was changed."""
    for stranger, owner in itertools.permutations(sides):
        before = everything(owner)
        answers = [
            ask(owner.service, stranger.token, method, path, things)
            for method, path in ACCOUNT_ROUTES
            for things in (owner.things, {**UNKNOWN, "account_id": owner.account_id}, UNKNOWN)
        ]
        assert [status for status, _ in answers] == [403] * len(ACCOUNT_ROUTES) * 3
        assert all(envelope == answers[0][1] for _, envelope in answers)
        assert everything(owner) == before


def test_another_accounts_ids_are_unknown_in_ones_own(sides: tuple[Side, Side]) -> None:
    """On every route with ids in its path, for each of them and for all together: 404, with the same body as for an id
    that nobody has; and nothing was changed on either side."""
    asked = 0
    for caller, owner in itertools.permutations(sides):
        before = everything(owner), everything(caller)
        for method, path in ACCOUNT_ROUTES:
            names = [name for name in re.findall(r"{(\w+)}", path) if name != "account_id"]
            for count in range(1, len(names) + 1):
                for foreign in itertools.combinations(names, count):
                    theirs = {**caller.things, **{name: owner.things[name] for name in foreign}}
                    nobodys = {**caller.things, **{name: UNKNOWN[name] for name in foreign}}
                    answers = [ask(caller.service, caller.token, method, path, t) for t in (theirs, nobodys)]
                    assert answers[0] == answers[1], (method, path, foreign)
                    assert answers[0][0] == 404, (method, path, foreign)
                    asked += 1
        assert (everything(owner), everything(caller)) == before
    assert asked > len(THING_NAMES)


def test_no_accounts_token_is_good_for_the_installation(sides: tuple[Side, Side]) -> None:
    """403, whatever its scopes are and whatever exists."""
    for side in sides:
        for method, path in INSTALLATION_ROUTES:
            answers = [ask(side.service, side.token, method, path, things) for things in (side.things, UNKNOWN)]
            assert answers[0] == answers[1]
            assert answers[0][0] == 403, (method, path)


@pytest.mark.parametrize("owned", [True, False], ids=["account", "installation"])
def test_each_route_needs_its_scope_and_no_other(sides: tuple[Side, Side], owned: bool) -> None:
    """Contract 16: with every scope but the one that the contract names it is 403; with that one alone it is not.
    Tokens of an account and of the installation alike."""
    side, _ = sides
    owner = side.account_id if owned else None
    only = {scope: side.service.new_token(owner, scope) for scope in Scope}
    others = {scope: side.service.new_token(owner, *(set(Scope) - {scope})) for scope in Scope}
    things = {**UNKNOWN, "account_id": side.account_id}
    for method, path in ACCOUNT_ROUTES if owned else [*ACCOUNT_ROUTES, *INSTALLATION_ROUTES]:
        named = DOCUMENT["paths"][without_base(path)][method.lower()]["x-required-scope"]
        for needed in Scope if named == "any" else [Scope(named)]:
            assert ask(side.service, only[needed], method, path, things)[0] not in (401, 403), (method, path)
        if named != "any":
            assert ask(side.service, others[Scope(named)], method, path, things)[0] == 403, (method, path)
