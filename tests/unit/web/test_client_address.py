"""Whose address the audit log names, with and without proxies."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request

from riskrelay.core.errors import Misconfigured
from riskrelay.settings import read_settings
from riskrelay.web.client_address import client_address

PROXY, INNER_PROXY, CLIENT, FORGED = "10.0.0.1", "10.0.0.2", "198.51.100.7", "203.0.113.66"
TRUSTED = ["10.0.0.0/8", "2001:db8:1::/48"]


def address(peer: str | None, *headers: tuple[str, str], trusted: list[str] | None = None) -> str | None:
    """What is found for a request of *peer* with those headers."""
    app = Starlette()
    app.state.trusted_proxies = [ip_network(network) for network in TRUSTED if trusted is None]
    scope: dict[str, Any] = {
        "type": "http",
        "app": app,
        "client": None if peer is None else (peer, 40_000),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    return client_address(Request(scope))


def x_forwarded(value: str) -> tuple[str, str]:
    return "X-Forwarded-For", value


def forwarded(value: str) -> tuple[str, str]:
    return "Forwarded", value


def test_without_headers_it_is_the_peer() -> None:
    """Also a proxy's own request; unknown when the server does not say."""
    assert address(CLIENT) == CLIENT
    assert address(PROXY) == PROXY
    assert address(None) is None
    assert address("::ffff:198.51.100.7") == CLIENT
    assert address("2001:DB8::1") == "2001:db8::1"


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_from_anyone_else_the_headers_change_nothing(value: str) -> None:
    """Whatever they say; and nobody is trusted unless the settings name them."""
    for headers in ([x_forwarded(value)], [forwarded(value)], [x_forwarded(value), forwarded(value)]):
        assert address(CLIENT, *headers) == CLIENT
        assert address(PROXY, *headers, trusted=[]) == PROXY


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([x_forwarded(CLIENT)], CLIENT),
        ([x_forwarded(f"{CLIENT}:51234")], CLIENT),
        ([x_forwarded("2001:db8::7")], "2001:db8::7"),
        ([x_forwarded("[2001:db8::7]:443")], "2001:db8::7"),
        ([x_forwarded(f"{FORGED}, {CLIENT}")], CLIENT),
        ([x_forwarded(f"{FORGED}, {CLIENT}, {INNER_PROXY}")], CLIENT),
        ([x_forwarded(f"{FORGED}, {CLIENT}"), x_forwarded(INNER_PROXY)], CLIENT),
        ([x_forwarded(f"{INNER_PROXY}, 2001:db8:1::2")], INNER_PROXY),
        ([x_forwarded(f"{CLIENT}, garbage")], PROXY),
        ([x_forwarded(f"garbage, {INNER_PROXY}")], INNER_PROXY),
        ([x_forwarded("")], PROXY),
        ([forwarded(f"for={CLIENT}")], CLIENT),
        ([forwarded(f'By=x; FOR="{CLIENT}:80";proto=https')], CLIENT),
        ([forwarded('for="[2001:db8::7]:4711"')], "2001:db8::7"),
        ([forwarded(f"for={FORGED}, for={CLIENT};host=x, for={INNER_PROXY}")], CLIENT),
        ([forwarded(f'for={CLIENT};host="a,for={FORGED}"')], CLIENT),
        ([forwarded(f"for={CLIENT}, for=_hidden")], PROXY),
        ([forwarded("for=unknown")], PROXY),
        ([forwarded(f"for={CLIENT}, by=x")], PROXY),
        ([x_forwarded(CLIENT), forwarded(f"for={CLIENT}")], CLIENT),
    ],
)
def test_behind_a_trusted_proxy_it_is_what_the_proxies_added(headers: list[tuple[str, str]], expected: str) -> None:
    """From the right to the first address that no trusted proxy has; what cannot be read ends the search."""
    assert address(PROXY, *headers) == expected


def test_headers_that_disagree_are_not_believed() -> None:
    """A proxy that writes one of them and passes the other on cannot be used to forge an address."""
    assert address(PROXY, x_forwarded(CLIENT), forwarded(f"for={FORGED}")) == PROXY
    assert address(PROXY, x_forwarded(FORGED), forwarded(f"for={CLIENT}")) == PROXY


@given(st.lists(st.sampled_from(["10.0.0.9", "192.0.2.1", "nonsense", "", '"', "2001:db8:1::1", "1.2.3.4:9"])))
def test_a_client_cannot_hide_behind_what_it_writes(forged: list[str]) -> None:
    """Whatever a client writes before its request reaches the proxy, the address that the proxy adds is found."""
    assert address(PROXY, x_forwarded(", ".join([*forged, CLIENT]))) == CLIENT


def test_a_long_header_is_read_in_no_time() -> None:
    """A client can make it long; reading takes time in proportion."""
    for value in ("," * 60_000, '"' * 60_001, 'for="' + "," * 60_000, "for=" * 15_000):
        assert address(PROXY, forwarded(value)) == PROXY


def test_proxies_are_networks() -> None:
    """A host's name or a network with host bits is refused, with the setting's name."""
    assert [str(n) for n in read_settings(trusted_proxies="10.0.0.0/8, ::1").trusted_proxies] == [
        "10.0.0.0/8",
        "::1/128",
    ]
    for wrong in ("proxy.example.com", "10.0.0.1/8", "all"):
        with pytest.raises(Misconfigured, match="RISKRELAY_TRUSTED_PROXIES"):
            read_settings(trusted_proxies=wrong)
