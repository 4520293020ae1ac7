"""TLS of an integration's own, in both push clients: whom it trusts, what it shows, and that it fails closed."""

import ssl
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from riskrelay.core.integrations import OpenedTls
from riskrelay.core.ssf.outcomes import OutcomeKind
from riskrelay.push.client import PushClient
from support.certificates import Authority, new_authority
from support.receivers import LOCAL, TOKEN, Receiver, push_client, receiver
from support.services import HandClock


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that every connection trusts unless its integration says otherwise."""
    return new_authority(tmp_path_factory.mktemp("system"), "system")


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that only an integration names."""
    return new_authority(tmp_path_factory.mktemp("private"), "private")


def own(authority: Authority | None, shown: Authority | None = None, ends: int = 1) -> OpenedTls:
    """What an integration has: an authority, and a certificate that another one signed."""
    files = None if shown is None else shown.files("client.test", begins=-5, ends=ends)
    return OpenedTls(
        None if authority is None else authority.pem(),
        None if files is None else files.certificate.read_text(),
        None if files is None else files.key.read_bytes(),
    )


def wanting(server: Authority, client: Authority, version: ssl.TLSVersion) -> AbstractAsyncContextManager[Receiver]:
    """A receiver that wants a certificate of *client*."""
    tls = server.server("receiver.test")
    tls.maximum_version = version
    tls.load_verify_locations(client.path)
    tls.verify_mode = ssl.CERT_REQUIRED
    return receiver(tls=tls)


def trusting(system: Authority) -> PushClient:
    return push_client(deadline=20, trust_ca=system.path, resolve=lambda _: ["127.0.0.1"])


@pytest.mark.fault(31)
async def test_only_the_named_authority_is_trusted(system: Authority, private: Authority) -> None:
    """With it its certificates are taken and the system's are not; without it the other way round."""
    reasons = {}
    async with (
        receiver(tls=private.server("receiver.test")) as hidden,
        receiver(tls=system.server("receiver.test")) as public,
        trusting(system) as client,
    ):
        for place, it in (("hidden", hidden), ("public", public)):
            for tls in (own(private), None):
                outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN, None, tls)
                reasons[place, tls is not None] = outcome.reason
    assert reasons == {
        ("hidden", True): "accepted",
        ("hidden", False): "tls_unknown_ca",
        ("public", True): "tls_unknown_ca",
        ("public", False): "accepted",
    }


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_certificate_is_shown(system: Authority, private: Authority, version: ssl.TLSVersion) -> None:
    """A receiver that wants one takes it; without it, or with one of somebody else, nothing is delivered."""
    async with wanting(system, private, version) as it, trusting(system) as client:
        url = f"https://receiver.test:{it.port}/"
        shown = await client.push(url, TOKEN, None, own(None, private))
        none = await client.push(url, TOKEN, None, own(system))
        other = await client.push(url, TOKEN, None, own(None, system))
    assert shown.kind is OutcomeKind.ACCEPTED
    assert len(it.requests) == 1
    for outcome in (none, other):
        assert outcome.kind is OutcomeKind.TRANSIENT
        # The receiver resets a connection on which we were sending before its alert is read.
        assert outcome.reason in ("tls_client_refused", "connection_lost")


async def test_connections_with_other_material_are_not_shared(system: Authority, private: Authority) -> None:
    """Same place, three materials, each twice: three connections; the one that was shown to stays with its own."""
    one, other = own(system, private), own(system, private)
    async with receiver(tls=system.server("receiver.test")) as it, trusting(system) as client:
        for tls in (one, other, None, one, other, None):
            outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN, None, tls)
            assert outcome.kind is OutcomeKind.ACCEPTED
    assert (it.connections, len(it.requests)) == (3, 6)


@pytest.mark.fault(31)
async def test_a_certificate_that_has_ended_is_not_shown(system: Authority, private: Authority) -> None:
    """Nothing is dialled, and no kept connection is used, from the moment on at which it ends."""
    tls = own(system, private)
    clock = HandClock(datetime.now(UTC))
    client = PushClient(LOCAL, clock, resolve=lambda _: ["127.0.0.1"])
    async with receiver(tls=system.server("receiver.test")) as it, client:
        url = f"https://receiver.test:{it.port}/"
        assert (await client.push(url, TOKEN, None, tls)).kind is OutcomeKind.ACCEPTED
        clock.pass_time(timedelta(days=2))
        outcome = await client.push(url, TOKEN, None, tls)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.TRANSIENT, "tls_client_expired")
    assert len(it.requests) == 1


@pytest.mark.fault(31)
@pytest.mark.parametrize("broken", ["key", "ca", "certificate"])
async def test_what_cannot_be_read_any_more_sends_nothing(system: Authority, private: Authority, broken: str) -> None:
    """Ours, not the receiver's; the detail holds nothing of the key."""
    good = own(system, private)
    assert good.key is not None
    tls = {
        "key": OpenedTls(good.trusted_ca, good.certificate, good.key[:80]),
        "ca": OpenedTls("nothing", good.certificate, good.key),
        "certificate": OpenedTls(good.trusted_ca, "nothing", good.key),
    }[broken]
    async with receiver(tls=system.server("receiver.test")) as it, trusting(system) as client:
        outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN, None, tls)
    assert (outcome.kind, outcome.reason) == (OutcomeKind.LOCAL, "tls_key_unreadable")
    assert it.connections == 0
    assert good.key.decode().splitlines()[1] not in repr(outcome)
    assert good.key.decode().splitlines()[1] not in repr(tls)


async def test_no_key_is_left_in_a_file(
    system: Authority, private: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL reads files only; the one that it is given is gone after that."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with receiver(tls=system.server("receiver.test")) as it, trusting(system) as client:
        outcome = await client.push(f"https://receiver.test:{it.port}/", TOKEN, None, own(None, private))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert list(tmp_path.iterdir()) == []
