"""Which addresses may be dialled, and how the operator's list is read."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.errors import Misconfigured
from riskrelay.push.addresses import TargetRules, is_disguised_address, is_public

NOTHING_LISTED = TargetRules([], allow_http=False)

PUBLIC = ["8.8.8.8", "1.1.1.1", "192.31.196.1", "2001:4860:4860::8888", "2606:4700::1111"]
PUBLIC_INSIDE = ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
FORBIDDEN = [
    pytest.param("127.0.0.1", id="loopback"),
    pytest.param("::1", id="loopback v6"),
    pytest.param("0.0.0.0", id="unspecified"),
    pytest.param("::", id="unspecified v6"),
    pytest.param("0.1.2.3", id="this network"),
    pytest.param("10.0.0.1", id="private 10"),
    pytest.param("172.16.0.1", id="private 172"),
    pytest.param("192.168.1.1", id="private 192"),
    pytest.param("fd12::1", id="unique local"),
    pytest.param("100.64.0.1", id="shared"),
    pytest.param("169.254.1.1", id="link-local"),
    pytest.param("fe80::1", id="link-local v6"),
    pytest.param("fe80::1%eth0", id="link-local with zone"),
    pytest.param("fec0::1", id="site-local"),
    pytest.param("169.254.169.254", id="cloud metadata"),
    pytest.param("fd00:ec2::254", id="AWS metadata v6"),
    pytest.param("168.63.129.16", id="Azure platform"),
    pytest.param("100.100.100.200", id="Alibaba metadata"),
    pytest.param("192.0.0.192", id="Oracle metadata"),
    pytest.param("192.0.2.1", id="documentation 1"),
    pytest.param("198.51.100.1", id="documentation 2"),
    pytest.param("203.0.113.1", id="documentation 3"),
    pytest.param("2001:db8::1", id="documentation v6"),
    pytest.param("3fff::1", id="documentation v6, new"),
    pytest.param("198.18.0.1", id="benchmarks"),
    pytest.param("192.88.99.1", id="6to4 relay"),
    pytest.param("224.0.0.1", id="multicast"),
    pytest.param("239.255.255.250", id="multicast, site"),
    pytest.param("ff02::1", id="multicast v6"),
    pytest.param("ff0e::1", id="multicast v6, global"),
    pytest.param("240.0.0.1", id="reserved"),
    pytest.param("255.255.255.255", id="broadcast"),
    pytest.param("100::1", id="discard"),
    pytest.param("5f00::1", id="segment routing"),
    pytest.param("64:ff9b:1::a00:1", id="local NAT64"),
    pytest.param("::ffff:127.0.0.1", id="mapped loopback"),
    pytest.param("::ffff:169.254.169.254", id="mapped metadata"),
    pytest.param("::ffff:168.63.129.16", id="mapped Azure platform"),
    pytest.param("::127.0.0.1", id="compatible loopback"),
    pytest.param("::8.8.8.8", id="compatible, deprecated by RFC 4291"),
    pytest.param("2002:7f00:1::", id="6to4 loopback"),
    pytest.param("64:ff9b::a9fe:a9fe", id="NAT64 metadata"),
    pytest.param("2001:0:7f00:1::", id="Teredo, server is loopback"),
    pytest.param("2001:0:808:808:0:0:80ff:fffe", id="Teredo, client is loopback"),
    pytest.param("127.1", id="short form"),
    pytest.param("2130706433", id="decimal"),
    pytest.param("0x7f000001", id="hexadecimal"),
    pytest.param("0177.0.0.1", id="octal"),
    pytest.param("receiver.example", id="a name"),
    pytest.param("", id="nothing"),
]


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_INSIDE)
def test_public_addresses_may_be_dialled(address: str) -> None:
    """Global unicast needs no entry in the list, nor does an IPv6 address that leads to it."""
    assert NOTHING_LISTED.may_dial(address)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_other_addresses_may_not(address: str) -> None:
    """Whatever is not global unicast is refused, whatever the Python version says of it."""
    assert not NOTHING_LISTED.may_dial(address)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_one_inside(address: object) -> None:
    """No IPv4 address gains anything by being mapped into IPv6."""
    rules = TargetRules(["10.0.0.0/8"], allow_http=False)
    assert rules.may_dial(f"::ffff:{address}") == rules.may_dial(str(address))


@given(st.ip_addresses(v=6, network="2000::/3"), st.text("abc0", min_size=1, max_size=5))
def test_a_zone_changes_nothing(address: object, zone: str) -> None:
    """A zone identifier never makes an address public."""
    assert NOTHING_LISTED.may_dial(f"{address}%{zone}") <= NOTHING_LISTED.may_dial(str(address))


@given(st.ip_addresses())
def test_only_global_unicast_is_public(address: object) -> None:
    """`is_public` is never more generous than the standard library."""
    parsed = ip_address(str(address))
    assert is_public(parsed) <= (parsed.is_global and not parsed.is_multicast and not parsed.is_private)


@pytest.mark.parametrize(
    ("listed", "address", "may"),
    [
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", True),  # public anyway
        ("10.0.0.0/8", "172.16.0.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.0/8", "::ffff:127.0.0.1", True),
        ("::1", "::1", True),
        ("::1", "127.0.0.1", False),
        ("fd00::/8", "fd12:3456::1", True),
        ("receiver.internal", "10.0.0.1", False),
        (" 10.0.0.0/8 ", "10.0.0.1", True),
        ("", "10.0.0.1", False),
    ],
)
def test_listed_networks_and_addresses_may_be_dialled(listed: str, address: str, may: bool) -> None:
    """An entry opens what it names, and nothing else."""
    assert TargetRules([listed], allow_http=False).may_dial(address) is may


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("receiver.internal", True),
        ("RECEIVER.Internal", True),
        ("receiver.internal.", True),
        ("a.receiver.internal", False),
        ("receiver.internal.example", False),
        ("localhost", True),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_a_listed_host_name_is_trusted_exactly(host: str, trusted: bool) -> None:
    """Letter case and the final dot do not matter; a part of a name is another name."""
    rules = TargetRules(["Receiver.internal.", "localhost", "10.0.0.0/8"], allow_http=True)
    assert rules.trusts_host(host) is trusted


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.0/33",
        "10.0.0.5/8",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "*",
        "*.example",
        "https://receiver.internal",
        "receiver.internal:8443",
        "receiver internal",
        "[::1]",
        "-a.example",
        "a..example",
        "bücher.example",
        "host/24",
    ],
)
def test_an_unreadable_entry_is_refused_with_what_to_write(entry: str) -> None:
    """The message names the setting, the entry and the forms that are understood."""
    with pytest.raises(Misconfigured) as caught:
        TargetRules(["10.0.0.0/8", entry], allow_http=False)
    message = str(caught.value)
    assert "RISKRELAY_ALLOW_TARGETS" in message
    assert repr(entry) in message
    assert "10.0.0.0/8" in message


def test_host_bits_in_a_network_are_answered_with_the_network() -> None:
    """The most common slip gets its fix."""
    with pytest.raises(Misconfigured, match=r"10\.0\.0\.5/8.*the network is 10\.0\.0\.0/8"):
        TargetRules(["10.0.0.5/8"], allow_http=False)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0X7F000001", "127.0.0.1.", "1.2.3.4.5"]
)
def test_disguised_addresses_are_recognised(host: str) -> None:
    """Every form that a resolver reads as an address, other than the usual one."""
    assert is_disguised_address(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "8.8.8.8", "::1", "a.example", "0x7f.example", "1.example", "x1", ""])
def test_names_and_plain_addresses_are_not_disguised(host: str) -> None:
    """Usual addresses are judged when they are dialled, names when they are resolved."""
    assert not is_disguised_address(host)
