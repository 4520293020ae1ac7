"""Small things that clients stumble over (contract 2, 4, 12, 15, 24), and errors' pages as people open them."""

import urllib.request
from typing import Any

import pytest

from riskrelay.web.account_api import problem_table
from support.contract import filled, operations
from support.service import Service
from support.wire import exchange, request

pytestmark = pytest.mark.parametrize("base_path", ["", "/client/v4"], indirect=True)


def test_every_success_is_a_200_without_errors_or_messages(service: Service) -> None:
    """Contract 2: create, delete and reset too."""
    service.enable_behaviors()
    made = service.create_integration("https://example.com")
    finding = {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
    (change,) = service.result("POST", "/findings", finding)["changes"]
    asked: list[tuple[str, str, Any]] = [
        ("POST", "/integrations", {"integration_type": "Okta", "tenant_url": "https://example.com"}),
        ("GET", "/integrations", None),
        ("PUT", f"/integrations/{made['id']}", {"active": True, "tenant_url": "https://example.com"}),
        ("DELETE", f"/integrations/{made['id']}", None),
        ("GET", "/summary", None),
        ("GET", f"/{change['user_id']}", None),
        ("POST", f"/{change['user_id']}/reset", None),
    ]
    for method, path, body in asked:
        status, envelope = service.call(method, path, body)
        assert (status, envelope["success"]) == (200, True), path
        assert (envelope["errors"], envelope["messages"]) == ([], []), path


def test_errors_and_messages_of_behaviors_are_empty_arrays(service: Service) -> None:
    """Contract 24: neither null nor absent; one Go client decodes nothing else."""
    setting = {"high_dlp": {"enabled": True, "risk_level": "low"}}
    for method, body in (("GET", None), ("PUT", {"behaviors": setting})):
        status, envelope = service.call(method, "/behaviors", body)
        assert status == 200
        assert (envelope["errors"], envelope["messages"]) == ([], [])


@pytest.mark.parametrize(
    "host", ["nowhere.invalid", "10.0.0.1", "[::1]", "localhost", "xn--a.example", "a" * 63 + ".com"]
)
def test_a_tenant_that_does_not_resolve_is_accepted(service: Service, host: str) -> None:
    """Contract 12: the address is judged when something is sent, so that a record can be made before its DNS."""
    assert service.create_integration(f"https://{host}")["tenant_url"] == f"https://{host}"


def test_without_credentials_nothing_is_answered(service: Service) -> None:
    """Contract 15: 400 with 9106, for every operation that needs a token, whatever else is wrong with the request."""
    # The account API's own tokens; where a secret is part of the path, it is the credential.
    protected = [found for found in operations() if "security" not in found[2] and "{secret}" not in found[0]]
    assert len(protected) > 10
    for path, method, _ in protected:
        target = service.base_path + filled(path, account_id=service.account_id)
        raw = request(method.upper(), target, b"{", Content_Type="text/plain")
        answer = exchange(int(service.settings["RISKRELAY_PORT"]), raw)
        assert answer is not None
        assert (answer.status, answer.codes, answer.pointers) == (400, {9106}, [""]), target


def test_every_documentation_url_opens_its_page(service: Service) -> None:
    """Contract 4: on this service, with the code, and with a wrong example and a right one."""
    _, envelope = service.call("GET", "/integrations/nobody")
    (error,) = envelope["errors"]
    url: str = error["documentation_url"]
    assert url.startswith(service.url)
    for problem in problem_table.PROBLEMS:
        with urllib.request.urlopen(url.replace(str(error["code"]), str(problem.code))) as page:
            assert page.headers.get_content_type() == "text/html"
            text = page.read().decode()
        assert f"{problem.code} {problem.title}" in text
        assert (">Wrong<" in text) is bool(problem.wrong)
        assert (">Right<" in text) is bool(problem.wrong)
