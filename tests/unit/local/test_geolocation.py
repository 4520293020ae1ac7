"""Places of addresses from real database files: accuracy, no places, changes, damage."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.risk.activity import Login
from riskrelay.core.risk.places import Place, located
from riskrelay.local.geolocation import GeolocationFiles, check_databases, place_of
from riskrelay.ports import Verdict
from support.mmdb import asn, city, write_mmdb
from support.services import NOON

BUILT = 1_795_000_000
LONDON = Place(latitude=51.5142, longitude=-0.0931, accuracy_km=10.0, country="GB", city="London", asn=64_500)
NETWORKS = {
    "81.2.69.0/24": city("London", "GB", 51.5142, -0.0931, 10),
    "89.160.20.0/24": city(None, "SE", 59.3247, 18.056, 1_000),
    "89.160.21.0/24": city("Far", "SE", 59.3, 18.1, 1_000),
    "89.160.22.0/24": city("Somewhere", "SE", 59.3, 18.1, None),
    "2a02:cf40::/29": city("Oslo", "NO", 59.9, 10.7, 5),
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A city database and an ASN database."""
    cities = write_mmdb(tmp_path / "city.mmdb", NETWORKS, built=BUILT)
    systems = write_mmdb(
        tmp_path / "asn.mmdb", {"81.2.0.0/16": asn(64_500, "Example")}, kind="Test-ASN", built=BUILT + 9
    )
    return cities, systems


def opened(*paths: Path) -> GeolocationFiles:
    files = GeolocationFiles(paths)
    files.refresh()
    return files


def test_an_address_has_a_place_with_accuracy_and_asn(files: tuple[Path, Path]) -> None:
    """Of both databases together, in either order, in IPv4 and IPv6."""
    assert opened(*files).locate("81.2.69.142") == opened(*files[::-1]).locate("81.2.69.142") == LONDON
    oslo = opened(*files).locate("2a02:cf40::1")
    assert oslo == Place(latitude=59.9, longitude=10.7, accuracy_km=5.0, country="NO", city="Oslo")
    somewhere = opened(*files).locate("89.160.22.1")
    assert somewhere is not None
    assert (somewhere.city, somewhere.accuracy_km) == ("Somewhere", 0.0)


def test_only_a_country_is_no_place(files: tuple[Path, Path]) -> None:
    """Neither without a city nor with a radius as large as a country; the country is still known."""
    assert opened(*files).locate("89.160.20.1") == Place(country="SE")
    assert opened(*files).locate("89.160.21.1") == Place(country="SE", city="Far")


@pytest.mark.parametrize("ip", ["10.0.0.1", "192.168.1.1", "127.0.0.1", "fe80::1", "100.64.0.1", "8.8.8.8", "", "x"])
def test_private_and_unknown_addresses_have_no_place(files: tuple[Path, Path], ip: str) -> None:
    """Nothing is known of them."""
    assert opened(*files).locate(ip) is None


def test_a_changed_file_is_read_again(files: tuple[Path, Path]) -> None:
    """At the next look, and what was remembered of addresses is forgotten."""
    geolocation = opened(*files)
    assert geolocation.locate("81.2.69.142") == LONDON
    assert geolocation.oldest_build == datetime.fromtimestamp(BUILT, UTC)
    write_mmdb(files[0], {"81.2.69.0/24": city("Leeds", "GB", 53.8, -1.55, 10)}, built=BUILT + 100)
    geolocation.refresh()
    moved = geolocation.locate("81.2.69.142")
    assert moved is not None
    assert moved.city == "Leeds"
    assert geolocation.oldest_build == datetime.fromtimestamp(BUILT + 9, UTC)


@pytest.mark.parametrize("damage", [b"", b"broken", bytes(5_000)])
def test_a_broken_file_leaves_the_earlier_one_in_use(files: tuple[Path, Path], damage: bytes) -> None:
    """Also when it is overwritten in place; mended, it is used again."""
    geolocation = opened(*files)
    files[0].write_bytes(damage)
    geolocation.refresh()
    assert list(geolocation.problems) == [files[0]]
    assert geolocation.locate("81.2.69.142") == LONDON
    files[0].unlink()
    geolocation.refresh()
    assert list(geolocation.problems) == [files[0]]
    assert geolocation.locate("2a02:cf40::1") is not None
    write_mmdb(files[0], NETWORKS)
    geolocation.refresh()
    assert geolocation.problems == {}


def test_every_damaged_file_is_refused_or_answers(files: tuple[Path, Path]) -> None:
    """Cut off anywhere, it never ends the process."""
    whole = files[0].read_bytes()
    for size in range(0, len(whole), 61):
        files[0].write_bytes(whole[:size])
        geolocation = opened(*files)
        assert geolocation.locate("81.2.69.142") is not None  # the ASN is known in any case


async def test_changed_files_are_read_while_a_process_runs(files: tuple[Path, Path]) -> None:
    """They are open when the block begins."""
    geolocation = GeolocationFiles(files)
    async with geolocation.running():
        assert geolocation.locate("81.2.69.142") == LONDON


def test_doctor_names_old_and_broken_files(files: tuple[Path, Path], tmp_path: Path) -> None:
    """A fresh one is in order; one of months ago is a warning; a broken or absent one is a problem."""
    now = datetime.fromtimestamp(BUILT, UTC) + timedelta(days=5)
    assert [check.verdict for check in check_databases(files, now)] == [Verdict.OK, Verdict.OK]
    assert {check.verdict for check in check_databases(files, now + timedelta(days=100))} == {Verdict.WARNING}
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"x")
    checks = check_databases([broken, tmp_path / "absent.mmdb"], now)
    assert [check.verdict for check in checks] == [Verdict.PROBLEM, Verdict.PROBLEM]
    assert all(check.fix for check in checks)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["location", "city", "country", "subdivisions", "autonomous_system_number"])


@given(st.dictionaries(MEMBERS, JSON, max_size=5))
def test_a_record_of_any_form_is_read(record: dict[str, object]) -> None:
    """What has another form than documented is left out."""
    assert isinstance(place_of(record), Place)


def test_an_event_keeps_its_own_coordinates() -> None:
    """Geolocation fills in what the event does not say: a place in place of none, 0/0 or the middle of a country."""
    login = Login(at=NOON, latitude=48.8566, longitude=2.3522, application=None, ip="81.2.69.142")
    assert located(login, LONDON) == Login(
        at=NOON, latitude=48.8566, longitude=2.3522, application=None, ip="81.2.69.142", asn=64_500
    )
    for latitude, longitude in ((0.0, 0.0), (46.0, 2.0)):
        placeless = Login(at=NOON, latitude=latitude, longitude=longitude, application=None, ip="81.2.69.142")
        found = located(placeless, LONDON)
        assert (found.latitude, found.city, found.accuracy_km) == (51.5142, "London", 10.0)
    only_asn = located(Login(at=NOON, latitude=0.0, longitude=0.0, application=None), Place(country="SE", asn=64_501))
    assert (only_asn.latitude, only_asn.country, only_asn.asn) == (0.0, "SE", 64_501)
