"""The receiver over TLS: it believes metadata and keys only from the server that its URL names."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from riskrelay.receiver import Transmitter, TransmitterUnavailable
from support.certificates import Authority, new_authority
from unit.receiver.transmitter_stand_in import StandIn


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that the receiver trusts."""
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    await stand_in.stop()


async def kids(well_known: str, authority: Authority | None) -> set[str]:
    """The keys that a receiver gets which trusts *authority*; None: those of the system."""
    trusted: aiohttp.TCPConnector | None = None
    if authority is not None:
        trusted = aiohttp.TCPConnector(ssl=authority.client())
    async with aiohttp.ClientSession(connector=trusted) as session:
        return set(await Transmitter(well_known, session, lambda: 0.0).keys("rsa-1"))


async def test_a_good_certificate_is_trusted(stand_in: StandIn, authority: Authority) -> None:
    """IOP 1.0 §2.1, RFC 8936 §3."""
    well_known = await stand_in.start(authority.server("127.0.0.1"))
    assert await kids(well_known, authority) == {"rsa-1", "ec-1"}


@pytest.mark.parametrize(
    ("names", "begins", "ends"), [("127.0.0.1", -2, -1), ("127.0.0.1", 1, 2), ("other.test", -1, 1)]
)
async def test_a_certificate_that_is_wrong_is_refused(
    stand_in: StandIn, authority: Authority, names: str, begins: int, ends: int
) -> None:
    """Expired, not yet good, another's."""
    well_known = await stand_in.start(authority.server(names, begins=begins, ends=ends))
    with pytest.raises(TransmitterUnavailable, match="cannot be fetched"):
        await kids(well_known, authority)
    assert stand_in.fetches == 0


async def test_a_certificate_that_is_not_trusted_is_refused(stand_in: StandIn, authority: Authority) -> None:
    """An authority that nobody knows."""
    well_known = await stand_in.start(authority.server("127.0.0.1"))
    with pytest.raises(TransmitterUnavailable, match="ClientConnectorCertificateError"):
        await kids(well_known, None)
    assert stand_in.fetches == 0
