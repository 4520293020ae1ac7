"""Credentials for receivers, and the token endpoint, against a running service."""

import json
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from oauthlib.oauth2 import BackendApplicationClient

from support.service import Service


@pytest.fixture
def integration(service: Service) -> dict[str, Any]:
    """An integration of the test's account."""
    return service.create_integration("https://acme.example.com")


def credentials(integration: dict[str, Any]) -> str:
    """The path of an integration's credentials."""
    return f"/integrations/{integration['id']}/credentials"


def oauth_client(service: Service, integration: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A new OAuth client."""
    made: dict[str, Any] = service.result("POST", credentials(integration), {"kind": "oauth_client", **more})
    return made


def ask(url: str, form: Any, **headers: str) -> tuple[int, dict[str, Any], Any]:
    """POST a form: the status, the JSON answer, its headers."""
    body = form if isinstance(form, bytes) else urllib.parse.urlencode(form).encode()
    given = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, given), timeout=60) as answer:
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


def basic(client: dict[str, Any], secret: str | None = None) -> str:
    """The header of client_secret_basic, encoded as RFC 6749 §2.3.1 says."""
    parts = [urllib.parse.quote_plus(part) for part in (client["client_id"], secret or client["client_secret"])]
    return "Basic " + b64encode(":".join(parts).encode()).decode()


def test_a_receiver_finds_its_token_endpoint_and_gets_a_token(service: Service, integration: dict[str, Any]) -> None:
    """From the integration's issuer to an access token, with both methods; another library's client reads the answer.

    RFC 8414, RFC 6749 §4.4, §5.1: no-store; 60 minutes; no refresh token.
    """
    client = oauth_client(service, integration)
    issuer = f"{service.url}/{integration['id']}"
    server = json.loads(service.get(f"/.well-known/oauth-authorization-server/{integration['id']}"))
    assert server["issuer"] == issuer
    assert server["token_endpoint"] == client["token_endpoint"] == f"{service.url}/ssf/{integration['id']}/token"
    assert server["grant_types_supported"] == ["client_credentials"]
    resource = json.loads(service.get(f"/.well-known/oauth-protected-resource/{integration['id']}"))
    assert (resource["resource"], resource["authorization_servers"]) == (issuer, [issuer])
    assert resource["scopes_supported"] == server["scopes_supported"] == ["ssf.manage", "ssf.read"]
    assert all(value not in ([], {}, "") for value in [*server.values(), *resource.values()])
    metadata = json.loads(service.get(f"/.well-known/ssf-configuration/{integration['id']}"))
    assert metadata["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6749"}]
    ours = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    reader = BackendApplicationClient(client["client_id"])
    asked = reader.prepare_request_body(include_client_id=False).encode()
    for form, headers in (
        (asked, {"Authorization": basic(client)}),
        ({"grant_type": "client_credentials", **ours}, {}),
    ):
        status, token, answer = ask(server["token_endpoint"], form, **headers)
        assert status == 200, token
        assert (answer["cache-control"], answer["pragma"]) == ("no-store", "no-cache")
        assert set(token) == {"access_token", "token_type", "expires_in", "scope"}
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
        assert reader.parse_request_body_response(json.dumps(token))["access_token"] == token["access_token"]
        assert token["scope"] == "ssf.manage ssf.read"


def test_scopes_and_life_are_never_more_than_the_client_has(service: Service, integration: dict[str, Any]) -> None:
    """RFC 6749 §3.3; a client that ends in ten minutes gets a token of at most ten minutes."""
    ends = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    client = oauth_client(service, integration, scopes=["ssf.read"], expires_at=ends)
    form = {"grant_type": "client_credentials"}
    status, token, _ = ask(client["token_endpoint"], form, Authorization=basic(client))
    assert (status, token["scope"]) == (200, "ssf.read")
    assert 580 <= token["expires_in"] <= 600
    for scope in ("ssf.manage", "ssf.read ssf.manage", "openid"):
        status, refused, _ = ask(client["token_endpoint"], {**form, "scope": scope}, Authorization=basic(client))
        assert (status, refused["error"]) == (400, "invalid_scope")
    wide = oauth_client(service, integration)
    status, token, _ = ask(wide["token_endpoint"], {**form, "scope": "ssf.read"}, Authorization=basic(wide))
    assert (status, token["scope"]) == (200, "ssf.read")


def test_each_mistake_at_the_token_endpoint_has_its_code(service: Service, integration: dict[str, Any]) -> None:
    """RFC 6749 §5.2: the code, a sentence that says what to do, and a challenge with every 401."""
    client = oauth_client(service, integration)
    static = service.result("POST", credentials(integration), {"kind": "static_token"})
    other = service.create_integration("https://other.example.com")
    url, other_url = client["token_endpoint"], f"{service.url}/ssf/{other['id']}/token"
    grant = {"grant_type": "client_credentials"}
    ours = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    shown = {"Authorization": basic(client)}
    twice = b"grant_type=client_credentials&grant_type=client_credentials"
    cases: list[tuple[str, Any, dict[str, str], int, str]] = [
        (url, {}, shown, 400, "invalid_request"),
        (url, {"grant_type": "password"}, shown, 400, "unsupported_grant_type"),
        (url, {"grant_type": "authorization_code", "code": "1"}, shown, 400, "unsupported_grant_type"),
        (url, twice, shown, 400, "invalid_request"),
        (url, {**grant, **ours}, shown, 400, "invalid_request"),
        (url, {**grant, "client_id": "somebody"}, shown, 400, "invalid_request"),
        (url + "?grant_type=client_credentials", grant, shown, 400, "invalid_request"),
        (url + "?a={}", grant, shown, 400, "invalid_request"),
        (url, b"{}", {**shown, "Content-Type": "application/json"}, 400, "invalid_request"),
        (url, b"grant_type=%zz&\xff", shown, 400, "invalid_request"),
        (url, grant, {}, 401, "invalid_client"),
        (url, grant, {"Authorization": "Basic ="}, 401, "invalid_client"),
        (url, grant, {"Authorization": f"Bearer {static['token']}"}, 401, "invalid_client"),
        (url, grant, {"Authorization": basic(client, "wrong")}, 401, "invalid_client"),
        (url, {**grant, "client_id": "a\0b", "client_secret": "x"}, {}, 401, "invalid_client"),
        (url, {**grant, "client_id": static["id"], "client_secret": static["token"]}, {}, 401, "invalid_client"),
        (other_url, grant, shown, 401, "invalid_client"),
        (f"{service.url}/ssf/none/token", grant, shown, 401, "invalid_client"),
        (f"{service.url}/ssf/%00/token", grant, shown, 401, "invalid_client"),
        (url, b"a" * 20_000, shown, 413, "invalid_request"),
    ]
    for place, form, headers, expected, error in cases:
        status, refused, answer = ask(place, form, **headers)
        assert (status, refused["error"]) == (expected, error), (place, form)
        assert refused["error_description"].startswith(
            ("send ", "the client is unknown, expired or revoked", "the body is ")
        )
        assert (answer["www-authenticate"] or "").startswith("Basic ") == (status == 401)
        assert answer["cache-control"] == "no-store"
        assert client["client_secret"] not in json.dumps(refused)
    assert ask(url, grant, **shown)[0] == 200
    service.result("DELETE", f"{credentials(integration)}/{client['id']}")
    assert ask(url, grant, **shown)[1]["error"] == "invalid_client"


def test_a_secret_is_shown_once(service: Service, integration: dict[str, Any]) -> None:
    """The list shows everything else, oldest first; after a revocation it is gone, and so is a second one."""
    client = oauth_client(service, integration, name="first")
    static = service.result(
        "POST", credentials(integration), {"kind": "static_token", "name": "second", "scopes": ["ssf.read"]}
    )
    listed = service.result("GET", credentials(integration))
    hidden = ("client_secret", "token", "token_endpoint")
    assert listed == [{k: v for k, v in made.items() if k not in hidden} for made in (client, static)]
    assert not {client["client_secret"], static["token"]} & set(json.dumps(listed).split('"'))
    service.result("DELETE", f"{credentials(integration)}/{client['id']}")
    assert [row["id"] for row in service.result("GET", credentials(integration))] == [static["id"]]
    assert service.call("DELETE", f"{credentials(integration)}/{client['id']}")[0] == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/kind"),
        ({"kind": "password"}, "/kind"),
        ({"kind": "static_token", "scopes": []}, "/scopes"),
        ({"kind": "static_token", "scopes": ["ssf.write"]}, "/scopes/0"),
        ({"kind": "static_token", "name": "a\0"}, "/name"),
        ({"kind": "static_token", "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"kind": "static_token", "expires_at": "2046-01-01T00:00:00"}, "/expires_at"),
        ({"kind": "static_token", "expires_at": "tomorrow"}, "/expires_at"),
    ],
)
def test_a_wrong_request_for_a_credential_names_its_place(
    service: Service, integration: dict[str, Any], body: dict[str, Any], pointer: str
) -> None:
    """400 with the pointer, and nothing is issued."""
    status, envelope = service.call("POST", credentials(integration), body)
    assert (status, [error["source"]["pointer"] for error in envelope["errors"]]) == (400, [pointer])
    assert service.result("GET", credentials(integration)) == []


def test_credentials_of_other_accounts_are_out_of_reach(service: Service, integration: dict[str, Any]) -> None:
    """Another account's token gets 403 here and 404 with this integration's id there; a deleted integration's
    credentials are gone with it."""
    client = oauth_client(service, integration)
    mine = service.token
    service.token = service.new_token("somebody-else")
    assert service.call("GET", credentials(integration))[0] == 403
    own, service.account_id = service.account_id, "somebody-else"
    for method, path in (("GET", ""), ("DELETE", f"/{client['id']}")):
        assert service.call(method, credentials(integration) + path)[0] == 404
    assert service.call("POST", credentials(integration), {"kind": "static_token"})[0] == 404
    service.account_id, service.token = own, mine
    service.result("DELETE", f"/integrations/{integration['id']}")
    assert service.call("GET", credentials(integration))[0] == 404
    status, refused, _ = ask(
        client["token_endpoint"], {"grant_type": "client_credentials"}, Authorization=basic(client)
    )
    assert (status, refused["error"]) == (401, "invalid_client")


def test_the_commands_do_the_same(service: Service) -> None:
    """create shows the secret once, list shows what there is, revoke ends it."""
    integration = service.create_integration("https://commands.example.com")
    told = ("--account", service.account_id, "--json")
    made = json.loads(
        service.command("credential", "create", integration["id"], "--name", "mine", "--days", "3", *told).stdout
    )
    assert ask(made["token_endpoint"], {"grant_type": "client_credentials"}, Authorization=basic(made))[0] == 200
    (row,) = json.loads(service.command("credential", "list", integration["id"], *told).stdout)
    assert (row["name"], row["kind"]) == ("mine", "oauth_client")
    service.command("credential", "revoke", integration["id"], made["id"], *told)
    assert service.command("credential", "list", integration["id"], *told).stdout == "[]\n"
    assert service.command("credential", "revoke", integration["id"], made["id"], *told, check=False).returncode == 1


def test_credentials_of_receivers_are_paged_when_asked(service: Service, integration: dict[str, Any]) -> None:
    """Each is on one page, in the order of the whole list; a page behind the last is empty."""
    for _ in range(5):
        oauth_client(service, integration)
    path = credentials(integration)
    whole = service.result("GET", path)
    assert len(whole) == 5
    pages = []
    for number, count in ((1, 2), (2, 2), (3, 1), (4, 0)):
        status, envelope = service.call("GET", f"{path}?page={number}&per_page=2")
        assert status == 200
        assert (envelope["result_info"]["count"], envelope["result_info"]["total_count"]) == (count, 5)
        pages += envelope["result"]
    assert [one["id"] for one in pages] == [one["id"] for one in whole]
    for query in ("page=0", "per_page=0", "per_page=1001", "page=x"):
        assert service.call("GET", f"{path}?{query}")[0] == 400
