"""Metadata, keys, and what is pushed, against a running service."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwcrypto import jwk, jws
from okta.models.okta_user_risk_change_event import OktaUserRiskChangeEvent
from okta.models.security_event_token_request_jwt_body import SecurityEventTokenRequestJwtBody

from support.canary import Canary
from support.ledger_checks import Responses, check_ledger, wait_until_quiet
from support.service import Oracle, Service, running

FINDING = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module, so that its ledger has only the events of these tests."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def oracle(tmp_path: Path) -> Iterator[Oracle]:
    """A receiver that takes everything."""
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


def deliveries(service: Service, integration: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = service.result("GET", f"/integrations/{integration['id']}/deliveries{query}")
    return rows


def wait_for_attempt(service: Service, integration: dict[str, Any]) -> dict[str, Any]:
    """The first attempt at the only delivery of an integration."""
    for _ in range(500):
        (row,) = deliveries(service, integration)
        if row["attempts"]:
            attempt: dict[str, Any] = row["attempts"][0]
            return attempt
        time.sleep(0.02)
    raise AssertionError("nothing was tried")


@pytest.mark.parametrize("name", ["sse-configuration", "ssf-configuration"])
@pytest.mark.parametrize("end", ["", "/"])
def test_the_metadata_resolves(service: Service, name: str, end: str) -> None:
    """SSF 1.0 §7: both names, with or without a final slash; issuer and keys fit."""
    integration = service.create_integration("https://acme.example.com")
    metadata = json.loads(service.get(f"/.well-known/{name}/{integration['id']}{end}"))
    assert metadata["issuer"] == f"{service.url}/{integration['id']}"
    assert metadata["spec_version"] == "1_0"
    assert metadata["delivery_methods_supported"] == ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"]
    assert all(value not in ([], {}, "") for value in metadata.values())
    with urllib.request.urlopen(metadata["jwks_uri"]) as response:
        keys = json.loads(response.read())["keys"]
    members = {"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}}
    kinds = sorted((key["kty"], key["alg"], key["use"]) for key in keys)
    assert kinds == [("EC", "ES256", "sig")] * 2 + [("RSA", "RS256", "sig")] * 2  # of each one signs, one comes next
    assert all(set(key) == {"kty", "alg", "use", "kid"} | members[key["kty"]] for key in keys)


def test_metadata_of_unknown_and_deleted_integrations_is_a_404_and_of_inactive_ones_is_served(
    service: Service,
) -> None:
    """Receivers cache the metadata, and SETs in flight must verify."""
    integration = service.create_integration("https://acme.example.com")
    path = f"/.well-known/sse-configuration/{integration['id']}"
    service.result("PUT", f"/integrations/{integration['id']}", {"active": False, "tenant_url": "https://a.example"})
    assert service.get(path)
    service.result("DELETE", f"/integrations/{integration['id']}")
    for gone in (path, "/.well-known/ssf-configuration/nobody"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            service.get(gone)
        with caught.value as error:
            assert error.code == 404


def test_a_set_verifies_with_other_libraries_and_is_what_okta_documents(service: Service, oracle: Oracle) -> None:
    """PyJWT and jwcrypto against the served JWKS; no sub, exp, nbf; Okta's own models take it."""
    service.enable_behaviors()
    integration = service.create_integration(oracle.url)
    (change,) = service.result("POST", "/findings", FINDING)["changes"]
    service.result("POST", f"/{change['user_id']}/reset")
    wait_until_quiet(service)
    first, second = oracle.requests()
    assert first["path"] == "/security/api/v1/security-events"
    assert first["content_type"] == "application/secevent+jwt"
    document = service.get("/jwks.json").decode()
    keys = jwk.JWKSet.from_json(document)
    parsed = jws.JWS()
    parsed.deserialize(first["token"])
    parsed.verify(keys.get_key(parsed.jose_header["kid"]))
    assert parsed.jose_header["typ"] == "secevent+jwt"
    key = jwt.PyJWK(keys.get_key(parsed.jose_header["kid"]).export_public(as_dict=True))
    claims = jwt.decode(first["token"], key, algorithms=["RS256"], audience=oracle.url)
    assert json.loads(parsed.payload) == claims
    assert set(claims) == {"iss", "aud", "jti", "iat", "txn", "sub_id", "events"}
    assert claims["iss"] == f"{service.url}/{integration['id']}"
    assert claims["aud"] == oracle.url
    assert claims["sub_id"] == {"format": "email", "email": "kai@example.com"}
    assert claims["iat"] <= time.time()
    body = SecurityEventTokenRequestJwtBody.from_dict(claims)
    assert body is not None
    (event,) = claims["events"].values()
    read = OktaUserRiskChangeEvent.from_dict(event)
    assert read is not None
    assert read.to_dict() == event
    assert (event["previous_level"], event["current_level"], event["initiating_entity"]) == ("none", "high", "policy")
    (reset,) = jwt.decode(second["token"], key, algorithms=["RS256"], audience=oracle.url)["events"].values()
    assert (reset["previous_level"], reset["current_level"], reset["initiating_entity"]) == ("high", "none", "admin")


def test_deliveries_show_each_attempt(service: Service, oracle: Oracle) -> None:
    """Newest first, by state, page by page."""
    service.enable_behaviors()
    integration = service.create_integration(oracle.url)
    batch = [{"behavior": "high_dlp", "user": {"email": f"u{n}@example.com"}} for n in range(130)]
    service.result("POST", "/findings", batch)
    wait_until_quiet(service)
    path = f"/integrations/{integration['id']}/deliveries"
    status, envelope = service.call("GET", path)
    assert (status, envelope["result_info"]["count"]) == (200, 100)
    cursor = envelope["result_info"]["cursor"]
    _, rest = service.call("GET", f"{path}?state=delivered&cursor={cursor}")
    assert (rest["result_info"]["count"], rest["result_info"]["cursor"]) == (30, None)
    rows = envelope["result"] + rest["result"]
    assert len({row["jti"] for row in rows}) == 130
    assert {row["state"] for row in rows} == {"delivered"}
    (attempt,) = rows[0]["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["status"]) == (1, "accepted", 202)
    assert attempt["phases"].keys() == {"dns_ms", "connect_ms", "tls_ms", "first_byte_ms"}
    assert 0 < attempt["phases"]["first_byte_ms"] < attempt["duration_ms"]
    named = ("--account", service.account_id, integration["id"], rows[0]["jti"])
    shown = service.command("delivery", "show", *named).stdout
    assert "first_byte" in shown
    assert deliveries(service, integration, "?state=pending") == []
    assert service.call("GET", f"{path}?state=lost")[0] == 400
    assert service.call("GET", f"{path}?cursor=nonsense")[0] == 400


def test_a_fixed_integration_gets_its_backlog_at_the_new_url(service: Service, oracle: Oracle) -> None:
    """A wrong tenant_url is updated: what waited is tried at once, there, with the new audience."""
    service.enable_behaviors()
    integration = service.create_integration("http://127.0.0.1:1")
    service.result("POST", "/findings", FINDING)
    assert wait_for_attempt(service, integration)["reason"] == "connection_refused"
    body = {"active": True, "tenant_url": oracle.url}
    service.result("PUT", f"/integrations/{integration['id']}", body)
    wait_until_quiet(service, 10)
    (request,) = oracle.requests()
    assert jwt.decode(request["token"], options={"verify_signature": False})["aud"] == oracle.url


@pytest.fixture
def canary() -> Iterator[Canary]:
    """A listener that must not be reached."""
    canary = Canary()
    yield canary
    canary.stop()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that may push over http, so that it is the address that is refused, and to public addresses only."""
    service = Service(tmp_path_factory.mktemp("strict"), RISKRELAY_ALLOW_TARGETS="")
    service.start()
    service.enable_behaviors()
    yield service
    service.stop()


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254",
        "https://localhost:{port}",
        "http://localhost:{port}",
        "https://[::ffff:127.0.0.1]:{port}",
        "https://2130706433:{port}",
        "http://127.1:{port}",
    ],
)
def test_no_connection_is_opened_to_an_address_that_is_not_public(strict: Service, canary: Canary, target: str) -> None:
    """faults.md 30: literals in every disguise, and names that resolve to private addresses."""
    url = target.format(port=canary.port)
    integration = strict.create_integration(url)
    strict.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": f"{integration['id']}@example.com"}})
    attempt = wait_for_attempt(strict, integration)
    assert (attempt["outcome"], attempt["reason"]) == ("transient", "blocked_address")
    strict.result("DELETE", f"/integrations/{integration['id']}")
    check_ledger(strict, None, Responses(), at_most_copies=0, canaries=[canary])


def test_plain_http_is_refused_by_default(tmp_path: Path, canary: Canary) -> None:
    """https only, unless the setting says otherwise."""
    service = Service(tmp_path, RISKRELAY_ALLOW_HTTP_TARGETS="false")
    service.start()
    try:
        service.enable_behaviors()
        integration = service.create_integration(f"http://127.0.0.1:{canary.port}")
        service.result("POST", "/findings", FINDING)
        assert wait_for_attempt(service, integration)["reason"] == "http_not_allowed"
        assert canary.connections == 0
    finally:
        service.stop()
