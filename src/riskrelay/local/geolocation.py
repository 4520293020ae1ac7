"""Places of addresses, from files in the MaxMind DB format."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from riskrelay.core.risk.centroids import is_centroid
from riskrelay.core.risk.places import Place
from riskrelay.ports import Check, Verdict

_log = structlog.get_logger()

LOOK_EVERY = timedelta(minutes=1)  # guessed: databases are updated weekly or daily
MAX_FILE_BYTES = 4 << 30  # guessed: the largest commercial databases have a gigabyte
_OLD = timedelta(days=60)  # guessed: addresses move; GeoLite2 must not be used for longer than 30 days after an update
_COUNTRY_ONLY_KM = 1_000  # MaxMind's largest radius, for addresses of which only the country is known

_REMEMBERED = 20_000  # guessed, some megabytes: a lookup takes 50 microseconds (measured), and addresses are repeated

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFile:
    """An opened database.

    Attributes:
        stamp: identifies the version of the file, to detect changes.
    """

    stamp: Stamp
    reader: maxminddb.Reader
    built_at: datetime
    kind: str


class GeolocationFiles:
    """Implements ports.Geolocator. A file that cannot be read leaves its earlier version in use.

    Args:
        paths: city and ASN databases. For each member the first database that has it is used.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._opened: dict[Path, OpenedFile] = {}
        self._refused: dict[Path, Stamp | None] = {}
        self.problems: dict[Path, str] = {}
        self._known = self._new_memory()

    def locate(self, ip: str) -> Place | None:
        return self._known(ip)

    def _new_memory(self) -> Callable[[str], Place | None]:
        return lru_cache(maxsize=_REMEMBERED)(self._look_up)

    def _look_up(self, ip: str) -> Place | None:
        try:
            address = ip_address(ip)
        except ValueError:
            return None
        if not address.is_global:
            return None
        place = Place()
        for opened in tuple(self._opened.values()):
            try:
                record = opened.reader.get(address)
            except (ValueError, maxminddb.InvalidDatabaseError):  # an IPv6 address in a database of IPv4, or damage
                continue
            if isinstance(record, dict):
                place = _joined(place, place_of(record))
        return None if place == Place() else place

    @property
    def oldest_build(self) -> datetime | None:
        """The build time of the oldest database in use; None: no database is in use."""
        return min((opened.built_at for opened in self._opened.values()), default=None)

    def refresh(self) -> None:
        """Open new and changed files. This reads files, so call it off the event loop."""
        for path in self._paths:
            try:
                stamp = _stamp(path)
            except OSError as error:
                self._refuse(path, None, error.strerror or type(error).__name__)
                continue
            known = self._opened.get(path)
            if known is not None and known.stamp == stamp:
                self.problems.pop(path, None)
                continue
            if self._refused.get(path, ()) == stamp:
                continue
            try:
                self._opened[path] = open_file(path)
            except maxminddb.InvalidDatabaseError:
                self._refuse(path, stamp, "it is no MaxMind DB file, or damaged")
            except (OSError, ValueError) as error:
                self._refuse(path, stamp, str(error))
            else:
                # replaced, not cleared: a running lookup could store an old place in it
                self._known = self._new_memory()
                self._refused.pop(path, None)
                self.problems.pop(path, None)
                _log.info("geolocation_opened", file=path.name, built_at=self._opened[path].built_at.isoformat())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Reload changed files while the context lasts."""
        await asyncio.to_thread(self.refresh)
        task = asyncio.create_task(self._keep_up())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY.total_seconds())
            await asyncio.to_thread(self.refresh)

    def _refuse(self, path: Path, stamp: Stamp | None, problem: str) -> None:
        if self.problems.get(path) != problem:
            _log.error("geolocation_unreadable", file=path.name, problem=problem, kept=path in self._opened)
        self.problems[path] = problem
        self._refused[path] = stamp


def open_file(path: Path) -> OpenedFile:
    """Open a database.

    A private copy is mapped into memory: a process is killed if it reads a mapped file that was cut off meanwhile.

    Raises: OSError; ValueError: it is larger than MAX_FILE_BYTES; maxminddb.InvalidDatabaseError: not a database.
    """
    stamp = _stamp(path)
    if stamp[1] > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
    with tempfile.NamedTemporaryFile(prefix="riskrelay-", suffix=".mmdb") as copy:
        shutil.copyfile(path, copy.name)
        reader = maxminddb.open_database(copy.name)
    reader.get("192.0.2.1")  # raises if the file is damaged near its beginning
    metadata = reader.metadata()
    return OpenedFile(
        stamp=stamp,
        reader=reader,
        built_at=datetime.fromtimestamp(metadata.build_epoch, UTC),
        kind=metadata.database_type,
    )


def check_databases(paths: Sequence[Path], now: datetime) -> list[Check]:
    """Check for each database whether it can be read, and its age. This reads the files."""
    checks: list[Check] = []
    for path in paths:
        try:
            opened = open_file(path)
        except maxminddb.InvalidDatabaseError:
            problem = "it is no MaxMind DB file, or damaged"
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
        else:
            checks.append(_age(path, opened, now))
            continue
        said = f"{path} cannot be read: {problem}."
        fix = "put a database in the MaxMind DB format there; until then an earlier version stays in use, if any"
        checks.append(Check(topic="geoip", verdict=Verdict.PROBLEM, said=said, fix=fix))
    return checks


def _age(path: Path, opened: OpenedFile, now: datetime) -> Check:
    days = (now - opened.built_at).days
    said = f"{path} ({opened.kind}) was built {days} days ago."
    if now - opened.built_at > _OLD:
        fix = "get a newer one, for instance every week with geoipupdate"
        return Check(topic="geoip", verdict=Verdict.WARNING, said=said, fix=fix)
    return Check(topic="geoip", verdict=Verdict.OK, said=said)


def place_of(record: Mapping[str, Any]) -> Place:
    """Read a record of a city, country or ASN database. Members of an undocumented form are ignored.

    Rule: MaxMind, "GeoIP2 City", "GeoLite2 ASN": location, city, country, subdivisions, autonomous_system_number.
    """
    location = _mapping(record.get("location"))
    city = _text(_mapping(_mapping(record.get("city")).get("names")).get("en"))
    country = _text(_mapping(record.get("country")).get("iso_code"))
    asn = record.get("autonomous_system_number")
    place = Place(country=country, city=city, asn=asn if isinstance(asn, int) else None)
    latitude, longitude = location.get("latitude"), location.get("longitude")
    radius = location.get("accuracy_radius", 0)
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return place
    country_only = city is None and not record.get("subdivisions")
    if country_only or radius >= _COUNTRY_ONLY_KM or is_centroid(latitude, longitude, country=None, city=city):
        return place
    return Place(
        latitude=float(latitude),
        longitude=float(longitude),
        accuracy_km=float(radius),
        country=country,
        city=city,
        asn=place.asn,
    )


def _joined(one: Place, other: Place) -> Place:
    """Merge two places. If both have a member, that of *one* is used."""
    with_place = one if one.latitude is not None or other.latitude is None else other
    named = one if one.country is not None or one.city is not None else other
    return Place(
        latitude=with_place.latitude,
        longitude=with_place.longitude,
        accuracy_km=with_place.accuracy_km,
        country=named.country,
        city=named.city,
        asn=other.asn if one.asn is None else one.asn,
    )


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value[:255] if isinstance(value, str) and value else None
