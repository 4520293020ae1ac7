"""The installation itself: its database, its master key, and what commands need that work on them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from riskrelay.errors import Misconfigured
from riskrelay.failpoints import arm
from riskrelay.keys import Keyring
from riskrelay.outbound.clock import SystemClock
from riskrelay.outbound.finding_counts import PendingFindingCounts
from riskrelay.outbound.gathering import Alone, Together
from riskrelay.outbound.ids import SystemIds
from riskrelay.outbound.metrics import PrometheusMetrics
from riskrelay.outbound.observing import Observers
from riskrelay.outbound.rate_limits import WINDOW_SECONDS, MemoryRateLimits
from riskrelay.outbound.sealing import MasterKey
from riskrelay.outbound.signer import new_signing_key
from riskrelay.outbound.token_uses import PendingTokenUses
from riskrelay.ports import Outside, Store, Wake
from riskrelay.rate_limits import RateLimit
from riskrelay.settings import Settings
from riskrelay.storage.copying import Fingerprint, copy_all
from riskrelay.storage.file_systems import hold_alone
from riskrelay.storage.opening import work_on
from riskrelay.storage.postgres import PostgresStore
from riskrelay.storage.schema import is_current, upgrade
from riskrelay.storage.sqlite import SqliteStore, sqlite_engine

Noted = tuple[PendingTokenUses, PendingFindingCounts]


def key_file(settings: Settings) -> Path | None:
    """Where `init` puts the master key of an embedded installation; None with PostgreSQL."""
    path = settings.sqlite_path
    return None if path is None else path.with_name(path.name + ".key")


def read_master_key(settings: Settings) -> MasterKey:
    """The master key, from the setting or from the file beside the database.

    Raises: Misconfigured.
    """
    if settings.master_key is not None:
        return MasterKey([key.strip() for key in settings.master_key.split(",")])
    path = key_file(settings)
    if path is None:
        raise Misconfigured("RISKRELAY_MASTER_KEY is not set; with PostgreSQL every node needs the same one")
    if not path.is_file():
        raise Misconfigured(
            f"there is no master key: {path} is missing and RISKRELAY_MASTER_KEY is not set; run `riskrelay init`"
        )
    return MasterKey([key.strip() for key in path.read_text().split(",")])


async def migrate(settings: Settings) -> None:
    """Bring the database to the newest schema; create the SQLite file when there is none."""
    arm(settings.failpoint)
    await work_on(settings.database_url, settings.sqlite_path, upgrade)


def open_store(settings: Settings) -> Store:
    """The database of *settings*; nothing is created."""
    path = settings.sqlite_path
    return PostgresStore(settings.database_url) if path is None else SqliteStore(path)


async def require_schema(settings: Settings) -> None:
    """Refuse to work on a database that is not there or has another schema.

    Raises: Misconfigured: says which command mends it.
    """
    path = settings.sqlite_path
    if path is not None and not path.is_file():
        raise Misconfigured(f"there is no database at {path}; run `riskrelay init`, or set RISKRELAY_DATABASE_URL")
    if not await work_on(settings.database_url, settings.sqlite_path, is_current):
        raise Misconfigured("the database has another schema than this version works with; run `riskrelay migrate`")


async def migrate_store(
    settings: Settings, target: Settings, copied: Callable[[str, int], None]
) -> dict[str, Fingerprint]:
    """Copy the SQLite installation of *settings* into the empty PostgreSQL database of *target*.

    Args:
        copied: told as it goes: a table, and how many of its rows are there.

    Returns: by table, what both hold.
    Raises:  Misconfigured: one of the two is of the wrong kind, is in use or not empty; then nothing was changed.
    """
    path = settings.sqlite_path
    if path is None or target.sqlite_path is not None:
        raise Misconfigured("RISKRELAY_DATABASE_URL must name the SQLite file, and the argument a postgresql:// URL")
    await require_schema(settings)
    with hold_alone(path):
        engine = sqlite_engine(path)
        try:
            with engine.connect() as source:
                source.exec_driver_sql("BEGIN")
                return await work_on(target.database_url, None, lambda connection: _fill(source, connection, copied))
        finally:
            engine.dispose()


def _fill(source: Connection, target: Connection, copied: Callable[[str, int], None]) -> dict[str, Fingerprint]:
    upgrade(target)
    return copy_all(source, target, copied)


def build_outside(settings: Settings) -> Outside:
    """What actions need, for a command that works on the database itself; close its store when done."""
    return outside_of(
        settings, lambda lanes: None, (PendingTokenUses(), PendingFindingCounts()), Observers(PrometheusMetrics())
    )


def outside_of(settings: Settings, wake: Wake, noted: Noted, observers: Observers) -> Outside:
    """What actions need in a process that serves or delivers."""
    clock = SystemClock()
    limit = RateLimit(settings.rate_limit, WINDOW_SECONDS) if settings.rate_limit else None
    return Outside(
        observers.over(open_store(settings)),
        clock,
        SystemIds(),
        observers.metrics,
        observers,
        wake,
        MemoryRateLimits(clock, limit),
        *noted,
        Alone() if observers.trace else Together(),
    )


def build_keyring(settings: Settings, master_key: MasterKey) -> Keyring:
    """How keys are made under *master_key*; a retired one is published as long as an event may be on its way."""
    clock = SystemClock()
    return Keyring(
        lambda algorithm: new_signing_key(algorithm, master_key, clock.now()), timedelta(days=settings.retention_days)
    )
