"""IOP 1.0 §2.6: how SETs are signed, and which keys receivers find."""

import json
from typing import Any

import jwt
import pytest

from support.service import Oracle
from support.ssf_operator import Operator
from support.ssf_pushes import PushStream
from support.ssf_receiver import CAEP, POLL, SsfReceiver, fetch

REVOKED = CAEP + "session-revoked"
WANTED = {"events_requested": [REVOKED]}


def receiver_signed_with(operator: Operator, algorithm: str) -> SsfReceiver:
    """The receiver of an integration whose SETs are signed so."""
    integration = operator.create_integration()
    path = f"/integrations/{integration['id']}/settings"
    assert operator.result("PUT", path, {"signing_algorithm": algorithm}) == {"signing_algorithm": algorithm}
    return SsfReceiver(integration["well_known_url"], operator.tls, operator.issue(integration)["token"])


def checked(receiver: SsfReceiver, token: str, algorithm: str) -> dict[str, Any]:
    """The claims of a SET that must be signed so, with a key of the JWKS that says so itself."""
    document = fetch(receiver.tls, "GET", receiver.metadata["jwks_uri"]).json
    header = jwt.get_unverified_header(token)
    (key,) = [key for key in document["keys"] if key["kid"] == header["kid"]]
    assert header["alg"] == key["alg"] == algorithm
    claims: dict[str, Any] = jwt.decode(
        token, jwt.PyJWK.from_json(json.dumps(key)), algorithms=[algorithm], options={"verify_aud": False}
    )
    return claims


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_pushed_and_polled_sets_are_signed_as_the_operator_chose(
    operator: Operator, oracle: Oracle, algorithm: str
) -> None:
    """RS256 unless the operator chose ES256 for a receiver that wants it; the verification that comes unasked too."""
    receiver = receiver_signed_with(operator, algorithm)
    pushed = PushStream(receiver, oracle, configuration=WANTED)
    polled = receiver.create_stream(delivery={"method": POLL}, **WANTED)
    operator.send(REVOKED, {"reason_admin": {"en": "A test"}})
    tokens = [request["token"] for request in pushed.wait_for_requests(2)]
    tokens += receiver.poll(polled, returnImmediately=True).values()
    seen = [checked(receiver, token, algorithm) for token in tokens]
    assert len(seen) == 4
    assert sum(REVOKED in claims["events"] for claims in seen) == 2


def test_rsa_keys_have_2048_bits_at_least(receiver: SsfReceiver) -> None:
    """§2.6; and the JWKS holds nothing private."""
    keys = fetch(receiver.tls, "GET", receiver.metadata["jwks_uri"]).json["keys"]
    rsa = [jwt.PyJWK(key).key for key in keys if key["kty"] == "RSA"]
    assert rsa
    assert all(key.key_size >= 2_048 for key in rsa)
    assert not any({"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & set(key) for key in keys)
