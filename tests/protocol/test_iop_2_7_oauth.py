"""IOP 1.0 §2.7: how receivers get in, and how they do not."""

import json
import uuid
from typing import Any

import pytest

from support.ssf_operator import Operator
from support.ssf_receiver import Answer, SsfReceiver, fetch

MANAGE, READ = "ssf.manage", "ssf.read"

# Every operation of the management API and the poll endpoint: method, endpoint, body or query, scope.
OPERATIONS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "create": ("POST", "configuration_endpoint", {}, MANAGE),
    "read": ("GET", "configuration_endpoint", {"stream_id": "{id}"}, READ),
    "list": ("GET", "configuration_endpoint", {}, READ),
    "update": ("PATCH", "configuration_endpoint", {"stream_id": "{id}", "description": "d"}, MANAGE),
    "replace": ("PUT", "configuration_endpoint", {"stream_id": "{id}"}, MANAGE),
    "read status": ("GET", "status_endpoint", {"stream_id": "{id}"}, READ),
    "update status": ("POST", "status_endpoint", {"stream_id": "{id}", "status": "enabled"}, MANAGE),
    "add subject": (
        "POST",
        "add_subject_endpoint",
        {"stream_id": "{id}", "subject": {"format": "opaque", "id": "1"}},
        MANAGE,
    ),
    "remove subject": (
        "POST",
        "remove_subject_endpoint",
        {"stream_id": "{id}", "subject": {"format": "opaque", "id": "1"}},
        MANAGE,
    ),
    "verify": ("POST", "verification_endpoint", {"stream_id": "{id}"}, MANAGE),
    "poll": ("POST", "poll", {"returnImmediately": True}, MANAGE),
    "delete": ("DELETE", "configuration_endpoint", {"stream_id": "{id}"}, MANAGE),
}


def perform(receiver: SsfReceiver, operation: str, stream: dict[str, Any], token: str | None = None) -> Answer:
    """Do *operation* to *stream*."""
    method, endpoint, given, _ = OPERATIONS[operation]
    url = stream["delivery"]["endpoint_url"] if endpoint == "poll" else endpoint
    filled = {name: stream["stream_id"] if value == "{id}" else value for name, value in given.items()}
    if method in ("GET", "DELETE"):
        return receiver.call(method, url, token=token, **filled)
    return receiver.call(method, url, filled, token=token)


def new_integration(operator: Operator) -> tuple[dict[str, Any], SsfReceiver]:
    """An integration, and its receiver without a token."""
    integration = operator.create_integration()
    return integration, SsfReceiver(integration["well_known_url"], operator.tls)


def test_the_published_metadata_leads_to_a_token(operator: Operator) -> None:
    """§2.7.1, §2.7.2: from the well-known URL over RFC 9728 and 8414 to the token endpoint; scopes begin with ssf."""
    integration, receiver = new_integration(operator)
    client = operator.issue(integration, "oauth_client")
    answer = receiver.obtain_token(client["client_id"], client["client_secret"])
    assert answer.status == 200
    receiver.token = answer.json["access_token"]
    assert receiver.call("GET", "configuration_endpoint").json == []
    resource = receiver.metadata["configuration_endpoint"]
    origin, _, path = resource.partition("/ssf/")
    published = fetch(receiver.tls, "GET", f"{origin}/.well-known/oauth-protected-resource/ssf/{path}").json
    assert published["resource"] == resource
    assert set(published["scopes_supported"]) == {MANAGE, READ}
    assert published["bearer_methods_supported"] == ["header"]


def test_client_credentials_give_a_short_lived_token(operator: Operator) -> None:
    """§2.7.1: at most 60 minutes; RFC 6749 §5.1."""
    integration, receiver = new_integration(operator)
    client = operator.issue(integration, "oauth_client")
    answer = receiver.obtain_token(client["client_id"], client["client_secret"], READ)
    granted = answer.json
    assert granted["token_type"].lower() == "bearer"
    assert 0 < granted["expires_in"] <= 3_600
    assert granted["scope"] == READ
    assert answer.headers["cache-control"] == "no-store"
    wrong = receiver.obtain_token(client["client_id"], "wrong")
    assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
    assert wrong.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_endpoint_wants_a_token(receiver: SsfReceiver, operation: str) -> None:
    """SSF §8, RFC 6750 §3: 401, and a challenge that says where to get one."""
    stream = receiver.create_stream()
    answer = perform(receiver, operation, stream, token="")
    assert answer.status == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert "error=" not in challenge
    assert "resource_metadata=" in challenge
    assert receiver.call("GET", "configuration_endpoint").json == [stream]


def bad_tokens(operator: Operator, integration: dict[str, Any], receiver: SsfReceiver) -> dict[str, str]:
    """Tokens that were never good, and tokens that are good no more."""
    revoked = operator.issue(integration)
    operator.result("DELETE", f"/integrations/{integration['id']}/credentials/{revoked['id']}")
    client = operator.issue(integration, "oauth_client")
    granted = receiver.obtain_token(client["client_id"], client["client_secret"]).json["access_token"]
    operator.result("DELETE", f"/integrations/{integration['id']}/credentials/{client['id']}")
    expired = operator.issue_expired(integration["id"])
    return {
        "invented": str(uuid.uuid4()),
        "the account's own": operator.token,
        "revoked": revoked["token"],
        "of a revoked client": granted,
        "expired": expired["token"],
        "changed": expired["token"][:-1] + "0",
    }


def test_a_token_that_is_not_good_is_401(operator: Operator) -> None:
    """§2.7.3: validity, integrity, expiration and revocation; RFC 6750 §3.1 invalid_token, and what to do."""
    integration, receiver = new_integration(operator)
    receiver.token = operator.issue(integration)["token"]
    stream = receiver.create_stream()
    for what, token in bad_tokens(operator, integration, receiver).items():
        for operation in OPERATIONS:
            answer = perform(receiver, operation, stream, token=token)
            assert answer.status == 401, (what, operation, answer)
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
            assert answer.json["error"] == "invalid_token"
            assert "token" in answer.json["error_description"]
    assert receiver.call("GET", "configuration_endpoint").json == [stream]


def test_a_token_in_the_query_is_no_token(receiver: SsfReceiver) -> None:
    """§2.7.3, RFC 6750 §2.3."""
    answer = receiver.call("GET", "configuration_endpoint", token="", access_token=receiver.token)
    assert answer.status in (400, 401)
    assert "www-authenticate" in answer.headers
    assert receiver.token not in answer.body.decode()
    both = receiver.call("GET", "configuration_endpoint", access_token=receiver.token)
    assert both.status == 400


@pytest.mark.parametrize("operation", [name for name, row in OPERATIONS.items() if row[3] == MANAGE])
def test_too_little_scope_is_403(operator: Operator, receiver: SsfReceiver, operation: str) -> None:
    """§2.7.3, RFC 6750 §3.1: insufficient_scope, and the scope that is needed; nothing is done."""
    stream = receiver.create_stream()
    integration = {"id": receiver.well_known_url.rpartition("/")[2]}
    reader = operator.issue(integration, "static_token", READ)["token"]
    answer = perform(receiver, operation, stream, token=reader)
    assert answer.status == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert f'scope="{MANAGE}"' in challenge
    assert answer.json["error"] == "insufficient_scope"
    assert receiver.call("GET", "configuration_endpoint").json == [stream]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_accepts_the_scope_of_the_profile(
    operator: Operator, receiver: SsfReceiver, operation: str
) -> None:
    """§2.7.2, §2.7.3: ssf.manage for what manages, ssf.read for what reads, in the header."""
    stream = receiver.create_stream()
    integration = {"id": receiver.well_known_url.rpartition("/")[2]}
    token = operator.issue(integration, "static_token", OPERATIONS[operation][3])["token"]
    answer = perform(receiver, operation, stream, token=token)
    assert answer.status in (200, 201, 204), answer


def test_a_refused_request_shows_no_token(receiver: SsfReceiver) -> None:
    """What was shown is not shown back."""
    secret = f"secret-{uuid.uuid4()}"
    answer = receiver.call("GET", "configuration_endpoint", token=secret)
    assert secret not in json.dumps(answer.headers)
    assert secret not in answer.body.decode()
