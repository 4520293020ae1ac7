"""A receiver sees its own integration alone: not its neighbour's, not another account's, not the account API."""

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from riskrelay.web.app import create_app
from support.databases import migrated_sqlite
from support.services import services_of
from support.ssf_operator import KAI, Operator
from support.ssf_receiver import CAEP, Answer, SsfReceiver
from support.transmitting import transmitting_of

REVOKED = CAEP + "session-revoked"
WHY = {"reason_admin": {"en": "A test"}}

# What to send to each route under /ssf, so that it would do something to the stream if it could; `{id}` is the stream.
CASES: dict[tuple[str, str], tuple[dict[str, str], Any]] = {
    ("POST", "/ssf/{integration_id}/streams"): ({}, {"description": "mine"}),
    ("GET", "/ssf/{integration_id}/streams"): ({"stream_id": "{id}"}, None),
    ("PATCH", "/ssf/{integration_id}/streams"): ({}, {"stream_id": "{id}", "description": "mine"}),
    ("PUT", "/ssf/{integration_id}/streams"): ({}, {"stream_id": "{id}", "description": "mine"}),
    ("DELETE", "/ssf/{integration_id}/streams"): ({"stream_id": "{id}"}, None),
    ("GET", "/ssf/{integration_id}/status"): ({"stream_id": "{id}"}, None),
    ("POST", "/ssf/{integration_id}/status"): ({}, {"stream_id": "{id}", "status": "disabled"}),
    ("POST", "/ssf/{integration_id}/subjects:add"): ({}, {"stream_id": "{id}", "subject": KAI}),
    ("POST", "/ssf/{integration_id}/subjects:remove"): ({}, {"stream_id": "{id}", "subject": KAI}),
    ("POST", "/ssf/{integration_id}/verify"): ({}, {"stream_id": "{id}"}),
    ("POST", "/ssf/{integration_id}/poll/{stream_id}"): ({}, {"returnImmediately": True}),
}
TOKEN_ENDPOINT = ("POST", "/ssf/{integration_id}/token")


async def served_routes(directory: Path) -> list[tuple[str, str]]:
    """Method and path of every route of the service."""
    store = migrated_sqlite(directory / "routes.db")
    app = create_app(services_of(store), transmitting_of(), "https://risk.example.com", lifespan=_nothing)
    await store.close()
    routes = [route for route in app.routes if isinstance(route, Route)]
    return sorted((method, route.path) for route in routes for method in (route.methods or {"GET"}) - {"HEAD"})


def _nothing(app: Starlette) -> Any:
    raise AssertionError("the application is not started")


def id_of(receiver: SsfReceiver) -> str:
    return receiver.well_known_url.rpartition("/")[2]


def attempt(
    case: tuple[str, str], victim: SsfReceiver, stream_id: str, integration_id: str, token: str | None
) -> Answer:
    """Do what *case* does to *stream_id*, at the endpoint of *integration_id*, with *token*."""
    method, path = case
    query, body = CASES[case]
    origin = victim.metadata["configuration_endpoint"].partition("/ssf/")[0]
    url = origin + path.replace("{integration_id}", integration_id).replace("{stream_id}", stream_id)
    return victim.call(
        method, url, None if body is None else filled(body, stream_id), token=token, **filled(query, stream_id)
    )


def filled(given: dict[str, Any], stream_id: str) -> dict[str, Any]:
    """What a case sends, with the stream's id where it belongs."""
    return {name: stream_id if value == "{id}" else value for name, value in given.items()}


async def test_every_route_of_receivers_has_a_case_here(tmp_path: Path) -> None:
    """A route that is added without a case fails."""
    served = {route for route in await served_routes(tmp_path) if route[1].startswith("/ssf")}
    assert served == {*CASES, TOKEN_ENDPOINT}


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_a_receivers_token_opens_nothing_of_another_integration(
    operator: Operator, other_operator: Operator, receiver: SsfReceiver, case: tuple[str, str]
) -> None:
    """SSF 1.0 §8: neither at the neighbour's endpoint nor through one's own, in the account or in another; the stream
    that was aimed at is as it was."""
    mine = receiver.create_stream(events_requested=[REVOKED])
    for owner in (operator, other_operator):
        victim = owner.new_receiver()
        stream = victim.create_stream(events_requested=[REVOKED])
        there = attempt(case, victim, stream["stream_id"], id_of(victim), receiver.token)
        assert there.status in (401, 403, 404), (owner, there)
        assert stream["stream_id"].encode() not in there.body
        if case[0] != "POST" or not case[1].endswith("/streams"):
            through = attempt(case, victim, stream["stream_id"], id_of(receiver), receiver.token)
            assert through.status == 404, (owner, through)
        assert victim.call("GET", "configuration_endpoint").json == [stream]
        assert victim.call("GET", "status_endpoint", stream_id=stream["stream_id"]).json["status"] == "enabled"
        owner.send(REVOKED, WHY)
        assert len(victim.events(stream, 1)) == 1
    assert [one["stream_id"] for one in receiver.call("GET", "configuration_endpoint").json] == [mine["stream_id"]]


def test_client_credentials_are_good_for_one_integration(operator: Operator, receiver: SsfReceiver) -> None:
    """The token endpoint of another integration does not know the client."""
    integration = operator.create_integration()
    client = operator.issue(integration, "oauth_client")
    answer = receiver.obtain_token(client["client_id"], client["client_secret"])
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")


async def test_a_receivers_token_opens_nothing_of_the_account_api(
    operator: Operator, receiver: SsfReceiver, tmp_path: Path
) -> None:
    """Every route that takes an account's token refuses a receiver's; alike for what exists and what does not."""
    guarded = [
        route for route in await served_routes(tmp_path) if re.match(r"/(accounts|user|installation)/", route[1])
    ]
    assert len(guarded) > 20
    known = {"account_id": operator.account_id, "integration_id": id_of(receiver)}
    for method, path in guarded:
        url = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: known.get(found[1], "nothing"), path)
        answer = receiver.call(method, operator.origin + url, None if method in ("GET", "DELETE") else {})
        assert answer.status in (401, 403, 404), (method, path, answer)
        assert answer.json["success"] is False
    assert receiver.call("GET", "configuration_endpoint").status == 200


def test_events_of_one_account_reach_no_stream_of_another(
    operator: Operator, other_operator: Operator, receiver: SsfReceiver
) -> None:
    """SSF 1.0 §9.2: each account's events go to the receivers that it registered."""
    stream = receiver.create_stream(events_requested=[REVOKED])
    foreign = other_operator.new_receiver()
    theirs = foreign.create_stream(events_requested=[REVOKED])
    operator.send(REVOKED, WHY, txn="ours")
    other_operator.send(REVOKED, WHY, txn="theirs")
    assert [claims["txn"] for claims in receiver.events(stream, 1)] == ["ours"]
    assert [claims["txn"] for claims in foreign.events(theirs, 1)] == ["theirs"]
