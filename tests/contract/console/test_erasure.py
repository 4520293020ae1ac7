"""A user's page: the export, the erasure, and what it says of findings that are gone; receipts of an erased user."""

import json
import sqlite3
from collections.abc import Iterator

import pytest

from riskrelay.core.credentials import Scope
from support.ledger_checks import wait_until_quiet
from support.service import Oracle, Service
from support.visitor import Visitor

USERS = "/console/accounts/acme/users"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("erasure"))
    oracle = Oracle(service.log.parent)
    oracle.start()
    service.start()
    service.enable_behaviors()
    service.create_integration(oracle.url)
    yield service
    assert service.stop() == 0
    oracle.stop()


def new_user(service: Service, email: str) -> str:
    """A user with a finding; the id."""
    finding = {"behavior": "high_dlp", "user": {"email": email}}
    user_id: str = service.result("POST", "/findings", finding)["changes"][0]["user_id"]
    return user_id


def test_a_user_is_erased_when_the_address_is_typed(service: Service) -> None:
    """Another text changes nothing. Afterwards the list says so, and the user's page is gone."""
    user_id = new_user(service, "kai@example.com")
    visitor = Visitor(service)
    visitor.sign_in()
    page = visitor.ask("GET", f"{USERS}/{user_id}")
    assert "so they keep the level high" in page.text
    wrong = visitor.ask("POST", f"{USERS}/{user_id}/erase", {"csrf": page.csrf, "email": "lou@example.com"})
    assert wrong.status == 400
    assert visitor.ask("GET", f"{USERS}/{user_id}").status == 200
    erased = visitor.ask("POST", f"{USERS}/{user_id}/erase", {"csrf": page.csrf, "email": " KAI@example.com "})
    assert (erased.status, erased.headers["Location"]) == (303, f"{USERS}?done=erased")
    assert visitor.ask("GET", f"{USERS}/{user_id}").status == 404
    assert "kai@example.com" not in visitor.ask("GET", f"{USERS}?level=any").text


def test_the_receipt_of_an_erased_user_says_what_happened(service: Service) -> None:
    """The delivery's page, the tail and the list of deliveries show the receipt without the user."""
    user_id = new_user(service, "max@example.com")
    wait_until_quiet(service)
    service.result("DELETE", f"/{user_id}")
    visitor = Visitor(service)
    visitor.sign_in()
    (integration,) = service.result("GET", "/integrations")
    own = f"/console/accounts/acme/integrations/{integration['id']}"
    listed = visitor.ask("GET", f"{own}/deliveries").text
    place = listed.partition(f"{own}/deliveries/")[2].partition('"')[0]
    page = visitor.ask("GET", f"{own}/deliveries/{place}")
    assert page.status == 200
    assert "The user was erased" in page.text
    assert "Retry now" not in page.text
    tail = visitor.ask("GET", "/console/accounts/acme/live")
    assert tail.status == 200
    assert "erased user" in tail.text
    assert "max@example.com" not in page.text + tail.text + listed


def test_a_user_is_exported_as_a_file(service: Service) -> None:
    """With the name of the user's id, and not kept by caches."""
    user_id = new_user(service, "ana@example.com")
    visitor = Visitor(service)
    visitor.sign_in()
    exported = visitor.ask("GET", f"{USERS}/{user_id}/export")
    assert exported.headers["Content-Disposition"] == f'attachment; filename="{user_id}.json"'
    assert exported.headers["Cache-Control"] == "no-store"
    assert json.loads(exported.text)["result"]["user"]["email"] == "ana@example.com"


def test_the_page_says_how_many_findings_were_removed(service: Service) -> None:
    """Those that are counted, but no longer kept."""
    user_id = new_user(service, "lou@example.com")
    visitor = Visitor(service)
    visitor.sign_in()
    assert "were removed" not in visitor.ask("GET", f"{USERS}/{user_id}").text
    path = service.settings["RISKRELAY_DATABASE_URL"].removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM findings WHERE user_id = ?", (user_id,))
    database.close()
    assert "1 older findings were removed" in visitor.ask("GET", f"{USERS}/{user_id}").text


def test_who_may_not_change_sees_no_erasure(service: Service) -> None:
    """And is refused."""
    user_id = new_user(service, "eva@example.com")
    reader = Visitor(service)
    reader.sign_in(service.new_token("acme", Scope.READ, Scope.PII_READ))
    page = reader.ask("GET", f"{USERS}/{user_id}")
    assert "Erase user" not in page.text
    fields = {"csrf": page.csrf, "email": "eva@example.com"}
    assert reader.ask("POST", f"{USERS}/{user_id}/erase", fields).status == 403


def test_the_commands_erase_export_and_delete(service: Service) -> None:
    """Each asks before it removes anything; no removes nothing."""
    user_id = new_user(service, "tom@example.com")
    exported = json.loads(service.command("user", "export", user_id, "--account", "acme", "--json").stdout)
    assert exported["user"]["email"] == "tom@example.com"
    refused = service.command("user", "erase", user_id, "--account", "acme", check=False)
    assert refused.returncode == 1
    assert service.call("GET", f"/{user_id}")[0] == 200
    erased = service.command("user", "erase", user_id, "--account", "acme", "--yes")
    assert f"User {user_id} was erased." in erased.stdout
    service.new_token("beta")
    assert service.command("account", "delete", "beta", check=False).returncode == 1
    assert "Account beta deleted." in service.command("account", "delete", "beta", "--yes").stdout
    again = service.command("account", "delete", "beta", "--yes", check=False)
    assert "there is no account beta" in again.stderr
