"""Forwarded headers, against a running service: believed from named proxies only, and for the audit log only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.service import Service

HEADERS = {
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example.com",
    "X-Forwarded-Port": "1",
}


@pytest.fixture(params=["", "127.0.0.1"], ids=["nobody is trusted", "this machine is trusted"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service that trusts these proxies."""
    service = Service(tmp_path, None, RISKRELAY_TRUSTED_PROXIES=request.param)
    service.start()
    yield service
    service.stop()


def test_only_the_address_in_the_audit_log_follows_a_named_proxy(service: Service) -> None:
    """From anybody else X-Forwarded-* change nothing, and from nobody do they change a URL."""
    body = {"integration_type": "Okta", "tenant_url": "https://acme.example.com"}
    status, made = service.call("POST", "/integrations", body, **HEADERS)
    assert status == 200
    assert made["result"]["well_known_url"].startswith(f"{service.url}/")
    entries: list[dict[str, Any]] = service.result("GET", "/audit?kind=integration")
    expected = "198.51.100.7" if service.settings["RISKRELAY_TRUSTED_PROXIES"] else "127.0.0.1"
    assert [entry["actor"]["address"] for entry in entries] == [expected]
