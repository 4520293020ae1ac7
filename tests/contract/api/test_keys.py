"""Signing keys and what an integration is signed with, against a running service."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.service import Service, running


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own: its keys are rotated."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


def keys_of(service: Service, token: str | None = None) -> list[dict[str, Any]]:
    """The published keys, as an operator sees them."""
    bearer = {"Authorization": f"Bearer {token or service.new_token(None)}"}
    status, _, envelope = service.exchange("GET", "/installation/keys", None, **bearer)
    assert status == 200, envelope
    keys: list[dict[str, Any]] = envelope["result"]
    return keys


def rotate(service: Service, token: str, body: Any) -> tuple[int, Any]:
    """Rotate with that token."""
    bearer = {"Authorization": f"Bearer {token}"}
    status, _, envelope = service.exchange("POST", "/installation/keys/rotate", body, **bearer)
    return status, envelope


def test_the_next_keys_are_published_before_they_sign(service: Service) -> None:
    """The JWKS has exactly the keys that the operator sees; a rotation promotes the next ones and adds new ones."""
    operator = service.new_token(None)
    before = {key["kid"]: key["state"] for key in keys_of(service, operator)}
    status, envelope = rotate(service, operator, {"at_once": True})
    after = {key["kid"]: key["state"] for key in envelope["result"]}
    assert status == 200
    moves = {"next": "current", "current": "retired", "retired": "retired"}
    assert {kid: after[kid] for kid in before} == {kid: moves[state] for kid, state in before.items()}
    assert [after[kid] for kid in after.keys() - before.keys()] == ["next", "next"]
    assert {key["kid"] for key in json.loads(service.get("/jwks.json"))["keys"]} == set(after)


def test_a_rotation_that_is_too_early_is_refused(service: Service) -> None:
    """Also one that is only repeated; and one by a token of an account, or without the scope."""
    operator = service.new_token(None)
    before = keys_of(service, operator)
    rotate(service, operator, {"at_once": True})
    after = keys_of(service, operator)
    status, envelope = rotate(service, operator, {})
    assert (status, envelope["errors"][0]["source"]["pointer"]) == (400, "/at_once")
    assert rotate(service, operator, {"at_once": "yes"})[0] == 400
    for token in (service.token, service.new_token(None, "read")):  # type: ignore[arg-type]
        assert rotate(service, token, {"at_once": True})[0] == 403
    assert keys_of(service, operator) == after != before


def test_the_commands_do_the_same(service: Service) -> None:
    """key list, key rotate, integration settings."""
    service.token = service.new_token(None)
    listed = json.loads(service.command("key", "list", "--json").stdout)
    rotated = json.loads(service.command("key", "rotate", "--at-once", "--json").stdout)
    assert {key["kid"] for key in listed} < {key["kid"] for key in rotated}
    early = service.command("key", "rotate", check=False)
    assert early.returncode == 1
    assert "wait until" in early.stderr
    made = service.result("POST", "/integrations", {"integration_type": "SSF", "tenant_url": "https://a.example"})
    told = (made["id"], "--account", service.account_id, "--json")
    assert json.loads(service.command("integration", "settings", *told).stdout) == {"signing_algorithm": "RS256"}
    changed = service.command("integration", "settings", "--signing-algorithm", "ES256", *told)
    assert json.loads(changed.stdout) == {"signing_algorithm": "ES256"}


@pytest.mark.parametrize(("kind", "status"), [("SSF", 200), ("Okta", 400)])
def test_es256_is_for_a_receiver_that_wants_it(service: Service, kind: str, status: int) -> None:
    """Okta documents RS256 only; an update of the integration leaves the setting as it is."""
    made = service.result("POST", "/integrations", {"integration_type": kind, "tenant_url": "https://a.example"})
    path = f"/integrations/{made['id']}/settings"
    assert service.result("GET", path) == {"signing_algorithm": "RS256"}
    assert service.call("PUT", path, {"signing_algorithm": "ES256"})[0] == status
    service.result("PUT", f"/integrations/{made['id']}", {"active": True, "tenant_url": "https://b.example"})
    assert service.result("GET", path) == {"signing_algorithm": "ES256" if status == 200 else "RS256"}
    assert service.call("PUT", path, {"signing_algorithm": "none"})[0] == 400
    assert service.call("PUT", "/integrations/none/settings", {"signing_algorithm": "RS256"})[0] == 404
    assert service.call("GET", "/integrations/none/settings")[0] == 404
