"""Credentials over HTTP, against a running service (contract 14 to 16)."""

import json
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudflare import AsyncCloudflare, AuthenticationError, Cloudflare

from riskrelay.core.credentials import Scope
from support.service import Service
from support.waiting import created_and_expired

BEARER, EMAIL, KEY = "Authorization", "X-Auth-Email", "X-Auth-Key"


def ask(service: Service, **headers: str) -> tuple[int, int | None]:
    """The status, and the code when it is a failure, of a read with exactly those credentials."""
    path = f"/accounts/{service.account_id}/zt_risk_scoring/integrations"
    status, _, envelope = service.exchange("GET", path, **headers)
    assert set(envelope) == {"errors", "messages", "result", "success"}
    codes = [error["code"] for error in envelope["errors"]]
    assert len(codes) == (0 if status == 200 else 1)
    return status, codes[0] if codes else None


def create(service: Service, **members: Any) -> dict[str, Any]:
    """Create a token over the API."""
    made: dict[str, Any] = service.result("POST", "/tokens", {"name": "made", "scopes": ["read"], **members})
    return made


def bearer(token: str) -> dict[str, str]:
    return {BEARER: f"Bearer {token}"}


def test_a_token_is_taken_in_either_form_and_in_both(service: Service) -> None:
    """Contract 14: bearer, or e-mail with key; with both the bearer token counts."""
    good, email = service.token, "user@example.com"
    assert ask(service, **bearer(good)) == (200, None)
    assert ask(service, **{BEARER: f"bearer {good}"}) == (200, None)
    assert ask(service, **{EMAIL: email, KEY: good}) == (200, None)
    assert ask(service, **bearer(good), **{EMAIL: email, KEY: good}) == (200, None)
    assert ask(service, **bearer(good), **{EMAIL: email, KEY: "nobody-has-this"}) == (200, None)
    assert ask(service, **bearer("nobody-has-this"), **{EMAIL: email, KEY: good}) == (401, 10000)


@pytest.mark.parametrize("email", ["user@example.com", "no address", "o'brien+x@münchen.example", "a" * 400])
def test_no_e_mail_is_refused_for_its_form(service: Service, email: str) -> None:
    """Contract, "What the official SDKs' own test suites use": the key alone is the secret."""
    sent = email.encode().decode("latin-1")
    assert ask(service, **{EMAIL: sent, KEY: service.token}) == (200, None)


def test_half_a_pair_counts_as_nothing(service: Service) -> None:
    """Contract 15: 400, 9106."""
    assert ask(service) == (400, 9106)
    assert ask(service, **{KEY: service.token}) == (400, 9106)
    assert ask(service, **{EMAIL: "user@example.com"}) == (400, 9106)
    assert ask(service, **{EMAIL: "", KEY: service.token}) == (400, 9106)
    assert ask(service, **{EMAIL: "user@example.com", KEY: ""}) == (400, 9106)


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic abc", "Token abc", "Bearer a b", "Bearer ä", f"Bearer {'a' * 513}"]
)
def test_credentials_that_could_never_be_valid_are_malformed(service: Service, value: str) -> None:
    """Contract 15: 400, 6003, even with a good key beside them."""
    assert ask(service, **{BEARER: value}) == (400, 6003)
    assert ask(service, **{BEARER: value, EMAIL: "user@example.com", KEY: service.token}) == (400, 6003)
    assert ask(service, **{EMAIL: "user@example.com", KEY: "a b"}) == (400, 6003)


def test_a_created_token_is_shown_once_and_works(service: Service) -> None:
    """With its scopes, its expiry, and nothing of the secret in the list."""
    expires_on = "2099-03-17T08:00:00Z"
    made = create(service, name="for Kai", scopes=["pii-read", "read", "read"], expires_on=expires_on)
    assert made["value"].startswith("rr_")
    assert (made["name"], made["scopes"], made["expires_on"]) == ("for Kai", ["pii-read", "read"], expires_on)
    assert (made["status"], made["last_used_on"]) == ("active", None)
    assert ask(service, **bearer(made["value"])) == (200, None)
    listed = service.result("GET", "/tokens")
    shown = {key: value for key, value in made.items() if key != "value"}
    assert [row for row in listed if row["id"] == made["id"]] == [shown]
    assert "value" not in {key for row in listed for key in row}
    assert made["value"] not in json.dumps(listed)


def test_a_revoked_token_is_unknown_at_once(service: Service) -> None:
    """A second time it is not found; a token may revoke itself."""
    made = create(service, scopes=["read", "operate"])
    path = f"/tokens/{made['id']}"
    assert service.call("DELETE", path, **bearer(made["value"]))[0] == 200
    assert ask(service, **bearer(made["value"])) == (401, 10000)
    assert service.call("DELETE", path)[0] == 404
    assert made["id"] not in {row["id"] for row in service.result("GET", "/tokens")}


def test_a_token_that_sent_findings_is_unknown_as_soon_as_it_is_revoked(service: Service) -> None:
    """The service knows it from earlier findings. It refuses all further ones, and says nothing about wrong ones."""
    body = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
    future = {**body, "timestamp": "2040-01-01T00:00:00Z"}
    many = [{**body, "user": {"email": f"u{number}@example.com"}} for number in range(300)]
    revoked = []
    for sent in ({**body, "behavior": "unknown"}, b"{", future, many, body, body):
        made = create(service, scopes=["ingest"])
        assert service.call("POST", "/findings", body, **bearer(made["value"]))[0] == 200
        assert service.call("DELETE", f"/tokens/{made['id']}")[0] == 200
        status, envelope = service.call("POST", "/findings", sent, **bearer(made["value"]))
        revoked.append((status, [error["code"] for error in envelope["errors"]]))
    assert revoked == 6 * [(401, [10000])]


def test_an_expired_token_is_unknown_and_listed_as_expired(service: Service) -> None:
    """Contract 15: 401, 10000."""

    def create_until(expires_on: str) -> Any:
        body = {"name": "made", "scopes": ["read"], "expires_on": expires_on}
        status, envelope = service.call("POST", "/tokens", body)
        return envelope["result"] if status == 200 else None

    made = created_and_expired(create_until)
    assert ask(service, **bearer(made["value"])) == (401, 10000)
    (row,) = [row for row in service.result("GET", "/tokens") if row["id"] == made["id"]]
    assert row["status"] == "expired"


def test_a_token_creates_none_that_can_do_more_than_itself(service: Service) -> None:
    """Each scope too many is a fault at its place, and nothing is created."""
    operator = service.new_token(service.account_id, Scope.OPERATE, Scope.READ)
    body = {"name": "more", "scopes": ["read", "write", "operate", "pii-read"]}
    before = service.result("GET", "/tokens")
    status, envelope = service.call("POST", "/tokens", body, **bearer(operator))
    assert status == 400
    assert [error["source"]["pointer"] for error in envelope["errors"]] == ["/scopes/1", "/scopes/3"]
    assert {row["name"] for row in service.result("GET", "/tokens")} == {row["name"] for row in before}
    status, envelope = service.call("POST", "/tokens", {"name": "same", "scopes": ["operate"]}, **bearer(operator))
    assert status == 200
    assert service.call("POST", "/tokens", body, **bearer(envelope["result"]["value"]))[0] == 400


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/name", "/scopes"}),
        ({"name": "", "scopes": []}, {"/name", "/scopes"}),
        ({"name": "a\u0000", "scopes": ["all"], "expires_on": "soon"}, {"/name", "/scopes/0", "/expires_on"}),
        ({"name": "a", "scopes": ["read"], "expires_on": "2020-01-01T00:00:00Z"}, {"/expires_on"}),
        ({"name": "a", "scopes": ["read"], "expires_on": "2099-01-01T00:00:00"}, {"/expires_on"}),
        ({"name": "a", "scopes": "read"}, {"/scopes"}),
    ],
)
def test_every_fault_of_a_token_is_named(service: Service, body: dict[str, Any], pointers: set[str]) -> None:
    """Contract 3."""
    status, envelope = service.call("POST", "/tokens", body)
    assert status == 400
    assert {error["source"]["pointer"] for error in envelope["errors"]} == pointers


def test_an_installation_token_is_good_for_every_account_within_its_scopes(service: Service) -> None:
    """And an account that does not exist is a 404 to it."""
    operator = bearer(service.new_token(None, Scope.OPERATE))
    reader = bearer(service.new_token(None, Scope.READ))
    assert ask(service, **reader) == (200, None)
    assert ask(service, **operator) == (403, 10000)
    own, service.account_id = service.account_id, "no-such-account"
    try:
        assert ask(service, **reader) == (404, 1001)
    finally:
        service.account_id = own


def test_tokens_of_the_installation_are_made_with_one_of_them(service: Service) -> None:
    """Create, list, revoke; an account's token is refused, whatever its scopes are."""
    path, operator = "/installation/tokens", bearer(service.new_token(None))
    body = {"name": "monitoring", "scopes": ["read"]}
    for method, where in (("GET", path), ("POST", path), ("DELETE", f"{path}/unknown")):
        assert service.exchange(method, where, body, **bearer(service.token))[0] == 403
    status, _, envelope = service.exchange("POST", path, body, **operator)
    assert status == 200
    made = envelope["result"]
    assert ask(service, **bearer(made["value"])) == (200, None)
    listed = service.exchange("GET", path, **operator)[2]["result"]
    assert made["id"] in {row["id"] for row in listed}
    assert made["id"] not in {row["id"] for row in service.result("GET", "/tokens")}
    assert service.call("DELETE", f"/tokens/{made['id']}")[0] == 404
    assert service.exchange("DELETE", f"{path}/{made['id']}", **operator)[0] == 200
    assert service.exchange("DELETE", f"{path}/{made['id']}", **operator)[0] == 404
    assert service.exchange("DELETE", f"{path}/%00", **operator)[0] == 404
    assert ask(service, **bearer(made["value"])) == (401, 10000)


def test_verify_tells_what_the_token_is(service: Service) -> None:
    """At both base paths, with any scope; 401 for one that nobody has, 403 in another account."""
    made = create(service, scopes=["ingest"], expires_on="2099-03-17T08:00:00+01:00")
    own = f"/accounts/{service.account_id}/tokens/verify"
    for path in ("/user/tokens/verify", "/client/v4/user/tokens/verify", own, "/client/v4" + own):
        status, _, envelope = service.exchange("GET", path, **bearer(made["value"]))
        assert status == 200
        assert envelope["result"] == {"id": made["id"], "status": "active", "expires_on": "2099-03-17T07:00:00Z"}
        assert service.exchange("GET", path, **bearer("nobody-has-this"))[0] == 401
        assert service.exchange("GET", path)[0] == 400
    assert service.exchange("GET", "/accounts/other/tokens/verify", **bearer(made["value"]))[0] == 403
    everywhere = bearer(service.new_token(None, Scope.READ))
    assert service.exchange("GET", own, **everywhere)[2]["result"]["status"] == "active"
    assert service.exchange("GET", "/accounts/no-such-account/tokens/verify", **everywhere)[0] == 404


async def test_the_official_sdk_verifies(service: Service) -> None:
    """`user.tokens.verify` and `accounts.tokens.verify` of the Python SDK, in all its forms of credentials."""
    made = create(service, scopes=["ingest"], expires_on="2099-03-17T08:00:00Z")
    url = f"{service.url}/client/v4"
    for credentials in ({"api_token": made["value"]}, {"api_email": "user@example.com", "api_key": made["value"]}):
        with Cloudflare(base_url=url, **credentials) as client:
            own = client.user.tokens.verify()
            of_account = client.accounts.tokens.verify(account_id=service.account_id)
        async with AsyncCloudflare(base_url=url, **credentials) as client:
            again = await client.user.tokens.verify()
        assert own is not None
        assert (own.id, own.status, own.not_before) == (made["id"], "active", None)
        assert own.expires_on == datetime(2099, 3, 17, 8, tzinfo=UTC)
        assert of_account is not None
        assert again is not None
        assert own.to_dict() == of_account.to_dict() == again.to_dict()
    with Cloudflare(base_url=url, api_token="rr_nobody") as client, pytest.raises(AuthenticationError):
        client.user.tokens.verify()


def test_the_database_holds_no_token(service: Service) -> None:
    """A leaked database gives no access: neither secret is in any byte of it, nor in the log of the service."""
    made = create(service)
    installation = service.new_token(None)
    file = Path(service.settings["RISKRELAY_DATABASE_URL"].removeprefix("sqlite:///"))
    stored = b"".join(path.read_bytes() for path in file.parent.iterdir() if path.is_file())
    assert made["id"].encode() in stored
    for secret in (made["value"], installation, service.token):
        assert secret.encode() not in stored
        assert secret.removeprefix("rr_").encode() not in stored


def test_the_last_use_is_listed(tmp_path: Path) -> None:
    """Written down when the service stops at the latest; shown over the API and by the command."""
    service = Service(tmp_path)
    service.start()
    made = service.result("POST", "/tokens", {"name": "used", "scopes": ["read"]})
    assert ask(service, **bearer(made["value"])) == (200, None)
    assert service.stop() == 0
    rows = json.loads(service.command("token", "list", "--json").stdout)
    (row,) = [row for row in rows if row["token_id"] == made["id"]]
    age = datetime.now(UTC) - datetime.fromisoformat(row["last_used_at"])
    assert timedelta(0) <= age < timedelta(minutes=1)
    with sqlite3.connect(tmp_path / "riskrelay.db") as database:
        count = database.execute("SELECT count(*) FROM tokens WHERE last_used_at IS NULL").fetchone()
    assert count == (0,)


def test_commands_make_list_and_revoke_tokens_of_the_installation(service: Service) -> None:
    """`--installation`, `--scope`, `--days`; an account or the installation, never neither or both."""
    command = ["token", "create", "--installation", "--scope", "operate", "--days", "3", "--name", "ops", "--json"]
    made = json.loads(service.command(*command).stdout)
    assert (made["account_id"], made["scopes"], made["name"]) == (None, "operate", "ops")
    assert service.exchange("GET", "/installation/tokens", **bearer(made["token"]))[0] == 200
    rows = json.loads(service.command("token", "list", "--installation", "--json").stdout)
    assert {row["account_id"] for row in rows} == {None}
    assert made["token_id"] in {row["token_id"] for row in rows}
    assert made["token_id"] in service.command("token", "list", "--installation").stdout
    service.command("token", "revoke", made["token_id"])
    assert service.exchange("GET", "/installation/tokens", **bearer(made["token"]))[0] == 401

    def refused(*arguments: str) -> str:
        run: subprocess.CompletedProcess[str] = service.command("token", *arguments, check=False)
        assert run.returncode == 1
        return run.stderr

    assert "--installation" in refused("create")
    assert "--installation" in refused("create", "acme", "--installation")
    assert "riskrelay token list" in refused("revoke", made["token_id"])


def test_tokens_are_paged_when_asked(service: Service) -> None:
    """Each token is on one page, in the order of the whole list; a page behind the last is empty."""
    for number in range(4):
        create(service, name=f"paged-{number}")
    whole = service.result("GET", "/tokens")
    pages = []
    for number in range(1, len(whole) // 2 + 2):
        status, envelope = service.call("GET", f"/tokens?page={number}&per_page=2")
        assert status == 200
        assert envelope["result_info"]["total_count"] == len(whole)
        assert envelope["result_info"]["count"] == len(envelope["result"]) <= 2
        pages += envelope["result"]
    assert [one["id"] for one in pages] == [one["id"] for one in whole]
    assert service.result("GET", "/tokens?page=1000&per_page=2") == []
    for query in ("page=0", "per_page=0", "per_page=1001", "page=x"):
        assert service.call("GET", f"/tokens?{query}")[0] == 400
