"""Verifiers that others wrote believe what this transmitter signs: PyJWT, jwcrypto, and jose of npm."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwcrypto.jwk import JWKSet
from jwcrypto.jwt import JWT

from riskrelay.outbound.sealing import MasterKey, new_master_key
from riskrelay.outbound.signer import KeySigner, new_signing_key
from riskrelay.ssf.event_examples import full_example, minimal_example
from riskrelay.ssf.event_types import EVENT_TYPES
from riskrelay.ssf.events import Jti, SecurityEvent
from riskrelay.ssf.sets import complete_claims, fixed_claims
from support.node import NodeProject

ISSUER = "https://risk.example.com/182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"
AUDIENCE = "https://receiver.example.com"
AT = datetime(2026, 3, 17, 8, 14, 3, tzinfo=UTC)
MASTER = MasterKey([new_master_key()])
KEY = new_signing_key(MASTER, AT)
JWKS = {"keys": [json.loads(KEY.public_jwk)]}

EVENTS = [(row, event) for row in EVENT_TYPES.values() for event in (minimal_example(row), full_example(row))]

Verifier = Callable[[Sequence[str]], list[dict[str, Any]]]
"""From SETs to what each is believed to say: {"header", "claims"}, or {"refused"}."""


def payloads() -> Iterator[bytes]:
    """The claims of every event type's least and full example."""
    for place, (row, event) in enumerate(EVENTS):
        made = SecurityEvent(Jti(f"jti-{place}"), "incident-17", AT, row.uri, event, row.subject_example)
        yield complete_claims(fixed_claims(made), ISSUER, AUDIENCE)


@pytest.fixture(scope="module")
def node() -> NodeProject:
    """The program that verifies with npm's jose."""
    return NodeProject(Path(__file__).parent / "typescript")


@pytest.fixture(params=["pyjwt", "jwcrypto", "jose"])
def verifier(request: pytest.FixtureRequest, tmp_path: Path) -> Verifier:
    """One of the three."""
    if request.param == "jose":
        return _with_jose(request.getfixturevalue("node"), tmp_path / "received.json")
    one = {"pyjwt": _with_pyjwt, "jwcrypto": _with_jwcrypto}[request.param]
    return lambda tokens: [_or_refused(one, token) for token in tokens]


def _or_refused(verify: Callable[[str], dict[str, Any]], token: str) -> dict[str, Any]:
    try:
        return verify(token)
    except Exception as error:  # noqa: BLE001  each library has errors of its own
        return {"refused": str(error)}


def _with_pyjwt(token: str) -> dict[str, Any]:
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(key for key in jwt.PyJWKSet.from_dict(JWKS).keys if key.key_id == kid)
    whole = jwt.decode_complete(token, key, algorithms=["RS256", "ES256"], issuer=ISSUER, audience=AUDIENCE)
    return {"header": whole["header"], "claims": whole["payload"]}


def _with_jwcrypto(token: str) -> dict[str, Any]:
    keys = JWKSet.from_json(json.dumps(JWKS))
    read = JWT(jwt=token, key=keys, algs=["RS256", "ES256"], check_claims={"iss": ISSUER, "aud": AUDIENCE})
    return {"header": json.loads(read.header), "claims": json.loads(read.claims)}


def _with_jose(node: NodeProject, file: Path) -> Verifier:
    def verify(tokens: Sequence[str]) -> list[dict[str, Any]]:
        file.write_text(json.dumps({"jwks": JWKS, "issuer": ISSUER, "audience": AUDIENCE, "tokens": list(tokens)}))
        said: list[dict[str, Any]] = json.loads(node.run("verify", str(file)))
        return said

    return verify


async def signed(*claims: bytes) -> list[str]:
    """As the transmitter signs."""
    signer = KeySigner(KEY, MASTER)
    try:
        return [(await signer.sign(payload)).decode() for payload in claims]
    finally:
        signer.close()


async def test_every_event_type_is_believed(verifier: Verifier) -> None:
    """Header and claims arrive as they were signed; none of the types is refused."""
    sent = list(payloads())
    header = {"alg": "RS256", "kid": KEY.kid, "typ": "secevent+jwt"}
    assert verifier(await signed(*sent)) == [{"header": header, "claims": json.loads(payload)} for payload in sent]


async def test_what_is_not_ours_is_refused(verifier: Verifier) -> None:
    """A changed signature, another issuer, another audience: so the verifiers do verify."""
    payload = next(payloads())
    (good,) = await signed(payload)
    head, body, signature = good.split(".")
    others = await signed(
        payload.replace(ISSUER.encode(), b"https://else.example.com"),
        payload.replace(AUDIENCE.encode(), b"https://else.example.com"),
    )
    changed = f"{head}.{body}.{signature[::-1]}"
    assert ["refused" in answer for answer in verifier([changed, *others, good])] == [True, True, True, False]
