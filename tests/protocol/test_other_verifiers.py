"""Verifiers that others wrote believe what this transmitter sends: PyJWT, jwcrypto, and jose of npm."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwcrypto.jwk import JWKSet
from jwcrypto.jwt import JWT

from riskrelay.core.ssf.event_type import OKTA_USER_RISK_CHANGE, EventType
from riskrelay.core.ssf.event_types import EVENT_TYPES, EVENTS_SUPPORTED, OF_STREAMS
from support.event_examples import full_example, minimal_example
from support.node import NodeProject
from support.service import Oracle
from support.ssf_operator import TENANT, Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import SsfReceiver, fetch

ALGORITHMS = ["RS256", "ES256"]


@dataclass(frozen=True)
class Received:
    """What one receiver got, and what it knows of its transmitter."""

    algorithm: str
    jwks: dict[str, Any]
    issuer: str
    audience: str
    tokens: list[str]


Verifier = Callable[[Received], list[dict[str, Any]]]
"""What each SET is believed to say: {"header", "claims"}, or {"refused"}."""


def send_examples(operator: Operator, row: EventType) -> int:
    """Have the least and the full event of a type sent.

    Returns: how many were queued.
    """
    queued = 0
    for event in (minimal_example(row), full_example(row)):
        queued += len(operator.send(row.uri, event, row.subject_example)["deliveries"])
    return queued


@pytest.fixture(scope="module", params=ALGORITHMS)
def on_a_stream(request: pytest.FixtureRequest, operator: Operator, oracle: Oracle) -> Iterator[Received]:
    """Every event type that a receiver can ask for, pushed by the service: also what a stream says about itself."""
    receiver = operator.new_receiver()
    integration = f"/integrations/{receiver.well_known_url.rpartition('/')[2]}"
    operator.result("PUT", f"{integration}/settings", {"signing_algorithm": request.param})
    stream = PushStream(receiver, oracle, configuration={"events_requested": list(EVENTS_SUPPORTED)})
    queued = sum(send_examples(operator, EVENT_TYPES[uri]) for uri in EVENTS_SUPPORTED if uri not in OF_STREAMS)
    assert queued == 2 * (len(EVENTS_SUPPORTED) - len(OF_STREAMS))
    stream.wait_for_requests(1 + queued)
    operator.result("PUT", integration, {"active": False, "tenant_url": TENANT})
    pushes = stream.wait_for_requests(1 + queued + 1)
    yield received(receiver, request.param, TENANT, pushes)
    operator.call("DELETE", integration)


@pytest.fixture(scope="module")
def on_oktas_stream(operator: Operator, oracle: Oracle) -> Received:
    """Okta's own event type, pushed to where Okta takes it."""
    tenant = f"{oracle.url}/okta"
    integration = operator.create_integration("Okta", tenant)
    assert send_examples(operator, EVENT_TYPES[OKTA_USER_RISK_CHANGE]) == 2
    receiver = SsfReceiver(integration["well_known_url"], operator.tls)
    return received(receiver, "RS256", tenant, oracle.wait_for("/okta/security/api/v1/security-events", 2))


def received(receiver: SsfReceiver, algorithm: str, audience: str, pushes: list[dict[str, Any]]) -> Received:
    """With the metadata and the keys as they are published."""
    keys = fetch(receiver.tls, "GET", receiver.metadata["jwks_uri"]).json
    return Received(algorithm, keys, receiver.metadata["issuer"], audience, [push["token"] for push in pushes])


@pytest.fixture(scope="module")
def node() -> NodeProject:
    """The program that verifies with npm's jose."""
    return NodeProject(Path(__file__).parent / "typescript")


@pytest.fixture(params=["pyjwt", "jwcrypto", "jose"])
def verifier(request: pytest.FixtureRequest, tmp_path: Path) -> Verifier:
    """One of the three."""
    if request.param == "jose":
        return with_jose(request.getfixturevalue("node"), tmp_path / "received.json")
    one = {"pyjwt": with_pyjwt, "jwcrypto": with_jwcrypto}[request.param]
    return lambda got: [or_refused(one, got, token) for token in got.tokens]


def or_refused(verify: Callable[[Received, str], dict[str, Any]], got: Received, token: str) -> dict[str, Any]:
    try:
        return verify(got, token)
    except Exception as error:  # noqa: BLE001  each library has errors of its own
        return {"refused": str(error)}


def with_pyjwt(got: Received, token: str) -> dict[str, Any]:
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(key for key in jwt.PyJWKSet.from_dict(got.jwks).keys if key.key_id == kid)
    whole = jwt.decode_complete(token, key, algorithms=ALGORITHMS, issuer=got.issuer, audience=got.audience)
    return {"header": whole["header"], "claims": whole["payload"]}


def with_jwcrypto(got: Received, token: str) -> dict[str, Any]:
    keys = JWKSet.from_json(json.dumps(got.jwks))
    read = JWT(jwt=token, key=keys, algs=ALGORITHMS, check_claims={"iss": got.issuer, "aud": got.audience})
    return {"header": json.loads(read.header), "claims": json.loads(read.claims)}


def with_jose(node: NodeProject, file: Path) -> Verifier:
    def verify(got: Received) -> list[dict[str, Any]]:
        file.write_text(json.dumps(got.__dict__))
        said: list[dict[str, Any]] = json.loads(node.run("verify", str(file)))
        return said

    return verify


def events_of(answers: list[dict[str, Any]], algorithm: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Event type, event and subject of each SET; none was refused, and all are signed with *algorithm*."""
    assert [answer["refused"] for answer in answers if "refused" in answer] == []
    assert {(answer["header"]["typ"], answer["header"]["alg"]) for answer in answers} == {("secevent+jwt", algorithm)}
    return [
        (uri, event, answer["claims"]["sub_id"])
        for answer in answers
        for uri, event in answer["claims"]["events"].items()
    ]


def test_every_event_type_is_believed(verifier: Verifier, on_a_stream: Received) -> None:
    """The least and the full event of each type arrive as they were sent, subject and all."""
    events = events_of(verifier(on_a_stream), on_a_stream.algorithm)
    assert {uri for uri, _, _ in events} == set(EVENTS_SUPPORTED)
    for row in EVENT_TYPES.values():
        if row.uri in EVENTS_SUPPORTED and row.uri not in OF_STREAMS:
            sent = [(row.uri, event, row.subject_example) for event in (minimal_example(row), full_example(row))]
            assert [event for event in events if event[0] == row.uri] == sent


def test_oktas_event_type_is_believed(verifier: Verifier, on_oktas_stream: Received) -> None:
    """So it is with what an Okta integration gets."""
    row = EVENT_TYPES[OKTA_USER_RISK_CHANGE]
    sent = [(row.uri, event, row.subject_example) for event in (minimal_example(row), full_example(row))]
    assert events_of(verifier(on_oktas_stream), "RS256") == sent


def test_a_set_with_a_wrong_signature_issuer_or_audience_is_refused(verifier: Verifier, on_a_stream: Received) -> None:
    """A changed signature, another issuer, another audience: the verifiers do verify."""
    good = on_a_stream.tokens[0]
    head, body, signature = good.split(".")
    changed = replace(on_a_stream, tokens=[f"{head}.{body}.{signature[::-1]}", good])
    assert ["refused" in answer for answer in verifier(changed)] == [True, False]
    for other in (replace(changed, issuer="https://else.example"), replace(changed, audience="https://else.example")):
        assert ["refused" in answer for answer in verifier(other)] == [True, True]
