"""Whether a receiver can be reached, as both push clients tell: up to the request, which is not sent."""

import ssl

import pytest

from riskrelay.core.integrations import OpenedTls
from support.certificates import Authority, new_authority
from support.receivers import LOCAL, NOTHING_LISTED, TOKEN, push_client, receiver


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that only an integration names."""
    return new_authority(tmp_path_factory.mktemp("private"), "private")


async def test_a_receiver_with_tls_of_its_own(private: Authority) -> None:
    """It is reached with what its integration has and not without, gets no byte of a request, and no connection is
    left: a push after that dials again."""
    files = private.files("client.test")
    tls = OpenedTls(private.pem(), files.certificate.read_text(), files.key.read_bytes())
    wants = private.server("receiver.test")
    wants.maximum_version = ssl.TLSVersion.TLSv1_2  # which tells a refusal within the handshake
    wants.load_verify_locations(private.path)
    wants.verify_mode = ssl.CERT_REQUIRED
    client = push_client(LOCAL, deadline=20, resolve=lambda _: ["127.0.0.1"])
    async with receiver(tls=wants) as it, client:
        url = f"https://receiver.test:{it.port}/events"
        assert await client.reach(url, tls) is None
        assert (it.connections, it.requests) == (1, [])
        without = await client.reach(url)
        shown_nothing = await client.reach(url, OpenedTls(private.pem(), None, None))
        assert without is not None
        assert without.reason == "tls_unknown_ca"
        assert shown_nothing is not None
        assert shown_nothing.reason in ("tls_client_refused", "connection_lost")
        assert (await client.push(url, TOKEN, None, tls)).reason == "accepted"
        assert (it.connections, len(it.requests)) == (2, 1)


async def test_a_receiver_over_plain_http() -> None:
    """Where it is allowed."""
    async with receiver() as it, push_client(deadline=20) as client:
        assert await client.reach(f"http://127.0.0.1:{it.port}/") is None
    assert it.requests == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [("https://127.0.0.1:1/", "blocked_address"), ("https://a:b@receiver.test/", "userinfo_in_url")],
)
async def test_what_may_not_be_dialled_is_not_reached(url: str, reason: str) -> None:
    """The rules are those of a push."""
    async with push_client(NOTHING_LISTED) as client:
        outcome = await client.reach(url)
    assert outcome is not None
    assert outcome.reason == reason


async def test_a_damaged_key_connects_to_no_receiver(private: Authority) -> None:
    """A probe with a damaged key fails without a connection, as a push does."""
    files = private.files("client.test")
    async with push_client() as client:
        outcome = await client.reach("https://127.0.0.1:1/", OpenedTls(None, files.certificate.read_text(), b"key"))
    assert outcome is not None
    assert outcome.reason == "tls_key_unreadable"
