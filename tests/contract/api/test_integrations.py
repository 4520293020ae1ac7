"""The six operations over HTTP, against a running service (contract 1 to 13)."""

import json
import re
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest

from riskrelay.core.credentials import Scope
from support.service import Service

pytestmark = pytest.mark.parametrize("base_path", ["", "/client/v4"], indirect=True)

MEMBERS = {
    "account_tag",
    "active",
    "created_at",
    "id",
    "integration_type",
    "reference_id",
    "tenant_url",
    "well_known_url",
}
TENANT = "https://Example.okta.com/Some%2Fpath"
UNKNOWN = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"


def create(service: Service, **members: Any) -> dict[str, Any]:
    body = {"integration_type": "Okta", "tenant_url": TENANT, **members}
    created: dict[str, Any] = service.result("POST", "/integrations", body)
    return created


def faults(envelope: dict[str, Any]) -> dict[str, int]:
    """The pointers of a failure and their codes."""
    assert (envelope["success"], envelope["result"], envelope["messages"]) == (False, {}, [])
    assert set(envelope) == {"errors", "messages", "result", "success"}
    for error in envelope["errors"]:
        assert set(error) == {"code", "message", "documentation_url", "source"}
        assert isinstance(error["code"], int)
        assert error["code"] >= 1000
    return {error["source"]["pointer"]: error["code"] for error in envelope["errors"]}


def test_create_answers_200_with_the_eight_members(service: Service) -> None:
    """Contract 1, 2, 6: exactly the envelope and the record, active, with a fresh reference id."""
    status, envelope = service.call("POST", "/integrations", {"integration_type": "Okta", "tenant_url": TENANT})
    assert status == 200
    assert set(envelope) == {"errors", "messages", "result", "success"}
    assert (envelope["success"], envelope["errors"], envelope["messages"]) == (True, [], [])
    result = envelope["result"]
    assert set(result) == MEMBERS
    assert result["account_tag"] == service.account_id
    assert result["active"] is True
    assert result["tenant_url"] == TENANT
    assert uuid.UUID(result["id"]).version == 4
    assert uuid.UUID(result["reference_id"]).version == 4
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["created_at"])
    assert result["well_known_url"] == f"{service.url}/.well-known/sse-configuration/{result['id']}"


def test_both_prefixes_serve_the_same(service: Service) -> None:
    """The SDKs' base path is served by the same handlers."""
    created = create(service)
    url = f"{service.url}/client/v4/accounts/{service.account_id}/zt_risk_scoring/integrations"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {service.token}"})
    with urllib.request.urlopen(request) as response:
        assert json.loads(response.read())["result"] == [created]


def test_every_route_reads_a_write_at_once(service: Service) -> None:
    """Contract 13."""
    created = create(service, reference_id="my/ref é")
    assert service.result("GET", f"/integrations/{created['id']}") == created
    assert service.result("GET", "/integrations/reference_id/my%2Fref%20%C3%A9") == created
    assert service.result("GET", "/integrations?unknown=1") == [created]


def test_the_list_is_whole_and_oldest_first(service: Service) -> None:
    """Contract 11: no paging."""
    made = [create(service)["id"] for _ in range(30)]
    status, envelope = service.call("GET", "/integrations")
    assert status == 200
    assert "result_info" not in envelope
    assert [row["id"] for row in envelope["result"]] == made


def test_every_fault_of_a_body_is_reported_at_once(service: Service) -> None:
    """Contract 3: one error per fault, each with its pointer."""
    body = {"integration_type": "okta", "tenant_url": "not a url", "reference_id": "", "active": "yes"}
    status, envelope = service.call("POST", "/integrations", body)
    assert status == 400
    assert set(faults(envelope)) == {"/integration_type", "/tenant_url", "/reference_id", "/active"}
    status, envelope = service.call("POST", "/integrations", {})
    assert status == 400
    assert set(faults(envelope)) == {"/integration_type", "/tenant_url"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b'{"tenant_url": "\\ud800"}'])
def test_a_body_that_is_no_json_object_is_a_400(service: Service, body: bytes) -> None:
    """Contract 3: the envelope, never a 500."""
    status, envelope = service.call("POST", "/integrations", body)
    assert status == 400
    assert faults(envelope)


@pytest.mark.parametrize("headers", [{}, {"X-Stainless-Retry-Count": "1"}, {"X-Stainless-Retry-Count": "soon"}])
def test_a_create_that_can_be_a_retry_answers_the_stored_record(service: Service, headers: dict[str, str]) -> None:
    """Contract 8: SDKs repeat a POST whose answer got lost. A header that is not a number counts as absent."""
    first = create(service, reference_id="once")
    body = {"integration_type": "Okta", "tenant_url": TENANT, "reference_id": "once"}
    assert service.call("POST", "/integrations", body, **headers)[1]["result"] == first
    assert len(service.result("GET", "/integrations")) == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"X-Stainless-Retry-Count": "0"}, {}),
        ({"X-Stainless-Retry-Count": "1"}, {"tenant_url": "https://other.okta.com"}),
        ({"X-Stainless-Retry-Count": "1"}, {"active": False}),
        ({}, {"integration_type": "SSF"}),
    ],
)
def test_a_create_that_is_no_retry_is_refused(
    service: Service, headers: dict[str, str], body: dict[str, object]
) -> None:
    """Contract 8: a first try or another body gets 1105, which names the integration that has the reference."""
    first = create(service, reference_id="once")
    body = {"integration_type": "Okta", "tenant_url": TENANT, "reference_id": "once", **body}
    status, envelope = service.call("POST", "/integrations", body, **headers)
    assert status == 400
    assert faults(envelope) == {"/reference_id": 1105}
    assert first["id"] in envelope["errors"][0]["message"]
    assert service.result("GET", "/integrations") == [first]


def test_create_takes_null_reference_unknown_members_and_active(service: Service) -> None:
    """Contract 6."""
    created = create(service, reference_id=None, active=False, color="blue")
    assert uuid.UUID(created["reference_id"])
    assert created["active"] is False


def test_update_overwrites_and_null_keeps(service: Service) -> None:
    """Contract 7: null and absent keep the reference, null keeps active, integration_type is ignored."""
    created = create(service, reference_id="ref")
    path = f"/integrations/{created['id']}"
    updated = service.result("PUT", path, {"active": False, "tenant_url": "https://b.okta.com/"})
    assert updated == {**created, "active": False, "tenant_url": "https://b.okta.com/"}
    body = {"active": None, "tenant_url": TENANT, "reference_id": None, "integration_type": "okta"}
    assert service.result("PUT", path, body) == {**created, "active": False}
    renamed = service.result("PUT", path, {"active": True, "tenant_url": TENANT, "reference_id": "new"})
    assert renamed == {**created, "reference_id": "new"}
    status, envelope = service.call("PUT", path, {"tenant_url": TENANT})
    assert status == 400
    assert set(faults(envelope)) == {"/active"}


def test_update_to_a_taken_reference_is_refused(service: Service) -> None:
    """Contract 10."""
    create(service, reference_id="a")
    second = create(service, reference_id="b")
    body = {"active": True, "tenant_url": TENANT, "reference_id": "a"}
    status, envelope = service.call("PUT", f"/integrations/{second['id']}", body)
    assert status == 400
    assert set(faults(envelope)) == {"/reference_id"}
    assert service.result("GET", f"/integrations/{second['id']}") == second


def test_unknown_things_have_one_and_the_same_answer(service: Service) -> None:
    """Contract 9, 10: unknown id, malformed id, unknown reference, deleted record; nothing is created."""
    created = create(service)
    assert service.result("DELETE", f"/integrations/{created['id']}") == {}
    update = {"active": True, "tenant_url": TENANT}
    answers = [
        service.call("GET", f"/integrations/{UNKNOWN}"),
        service.call("GET", f"/integrations/{created['id']}"),
        service.call("GET", "/integrations/not-a-uuid"),
        service.call("GET", "/integrations/%00"),
        service.call("GET", "/integrations/reference_id/nobody"),
        service.call("PUT", f"/integrations/{UNKNOWN}", update),
        service.call("DELETE", f"/integrations/{UNKNOWN}"),
        service.call("DELETE", f"/integrations/{created['id']}"),
    ]
    assert [status for status, _ in answers] == [404] * len(answers)
    assert all(envelope == answers[0][1] for _, envelope in answers)
    assert service.result("GET", "/integrations") == []


def test_a_deleted_reference_can_be_used_again(service: Service) -> None:
    """Delete frees the reference id."""
    first = create(service, reference_id="again")
    service.result("DELETE", f"/integrations/{first['id']}")
    assert create(service, reference_id="again")["id"] != first["id"]


def test_a_slash_at_the_end_does_not_redirect(service: Service) -> None:
    """A POST to a path with a final slash is an unknown route, not a redirect."""
    status, envelope = service.call("POST", "/integrations/", {"integration_type": "Okta", "tenant_url": TENANT})
    assert status in (404, 405)
    assert faults(envelope)


def test_unknown_routes_and_methods_have_the_envelope(service: Service) -> None:
    """Contract 1: a proxy-style page is a bug."""
    status, envelope = service.call("GET", "/nothing/here/at/all")
    assert status == 404
    assert faults(envelope)
    status, envelope = service.call("PATCH", "/integrations/x")
    assert status == 405
    assert faults(envelope)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": ""}, 400, 6003),
        ({"Authorization": "Basic abc"}, 400, 6003),
        ({"Authorization": "Bearer"}, 400, 6003),
        ({"Authorization": "Bearer nobody-has-this"}, 401, 10000),
    ],
)
def test_bad_credentials(service: Service, headers: dict[str, str], status: int, code: int) -> None:
    """Contract 15."""
    got, envelope = service.call("GET", "/integrations", **headers)
    assert got == status
    assert faults(envelope) == {"": code}


def test_no_credentials(service: Service) -> None:
    """Contract 15: 400 with 9106."""
    url = f"{service.url}/accounts/{service.account_id}/zt_risk_scoring/integrations"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    with caught.value as error:
        assert error.code == 400
        assert faults(json.loads(error.read())) == {"": 9106}


def test_a_key_in_x_auth_key_works_too(service: Service) -> None:
    """Contract 14: X-Auth-Email with X-Auth-Key."""
    url = f"{service.url}/accounts/{service.account_id}/zt_risk_scoring/integrations"
    headers = {"X-Auth-Email": "user@example.com", "X-Auth-Key": service.token}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
        assert json.loads(response.read())["success"] is True


def test_another_accounts_token_sees_and_does_nothing(service: Service) -> None:
    """Contract 15: valid, but not for this account: 403, for existing and unknown ids alike."""
    created = create(service)
    header = {"Authorization": f"Bearer {service.new_token('stranger')}"}
    answers = [
        service.call("GET", "/integrations", **header),
        service.call("GET", f"/integrations/{created['id']}", **header),
        service.call("GET", f"/integrations/{UNKNOWN}", **header),
        service.call("DELETE", f"/integrations/{created['id']}", **header),
        service.call("POST", "/findings", {"behavior": "high_dlp", "user": {"email": "a@b.c"}}, **header),
    ]
    assert [status for status, _ in answers] == [403] * len(answers)
    assert all(envelope == answers[0][1] for _, envelope in answers)
    assert service.result("GET", "/integrations") == [created]


def test_a_read_token_cannot_write(service: Service) -> None:
    """Contract 16: 403, code 10000."""
    header = {"Authorization": f"Bearer {service.new_token(service.account_id, Scope.READ)}"}
    assert service.call("GET", "/integrations", **header)[0] == 200
    status, envelope = service.call(
        "POST", "/integrations", {"integration_type": "Okta", "tenant_url": TENANT}, **header
    )
    assert status == 403
    assert faults(envelope) == {"": 10000}


def test_documentation_urls_open_pages(service: Service) -> None:
    """Contract 4: the page explains the code."""
    _, envelope = service.call("GET", f"/integrations/{UNKNOWN}")
    (error,) = envelope["errors"]
    with urllib.request.urlopen(error["documentation_url"]) as page:
        assert str(error["code"]) in page.read().decode()
