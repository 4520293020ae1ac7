"""The installation: its database, its master key, and the dependencies of commands that work on them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from riskrelay.core.errors import Misconfigured
from riskrelay.core.keys import Keyring
from riskrelay.core.quotas import Quotas
from riskrelay.core.rate_limits import RateLimit
from riskrelay.local.clock import SystemClock
from riskrelay.local.finding_counts import PendingFindingCounts
from riskrelay.local.gathering import Alone, Together
from riskrelay.local.geolocation import check_databases
from riskrelay.local.ids import SystemIds
from riskrelay.local.known_tokens import RememberedTokens
from riskrelay.local.missed_names import PendingMissedNames
from riskrelay.local.rate_limits import WINDOW_SECONDS, MemoryRateLimits
from riskrelay.local.token_uses import PendingTokenUses
from riskrelay.local.user_counts import CountedUsers
from riskrelay.ports import (
    Check,
    Foresee,
    Geolocator,
    NoGeolocation,
    NoRuleEvaluator,
    RuleEvaluator,
    Services,
    Store,
    Verdict,
    Wake,
    foresee_nothing,
)
from riskrelay.settings import Settings
from riskrelay.signing.sealing import MasterKey, new_master_key
from riskrelay.signing.signer import new_signing_key
from riskrelay.storage.engines.copying import Fingerprint, copy_all
from riskrelay.storage.engines.file_systems import hold_alone
from riskrelay.storage.engines.opening import Waiting, work_on
from riskrelay.storage.engines.private_files import database_files, ensure_private, readable_by_others
from riskrelay.storage.engines.restoring import restore
from riskrelay.storage.engines.schema import newest_revision, revision_of, upgrade
from riskrelay.storage.engines.sqlite import SqliteStore, sqlite_engine
from riskrelay.storage.engines.whole_files import faults_of, log_of, require_own_log, require_whole
from riskrelay.storage.sealed_values import holds_sealed_values, reseal_batch, sealed_values
from riskrelay.telemetry.metrics import PrometheusMetrics
from riskrelay.telemetry.observing import Observers

Noted = tuple[PendingTokenUses, PendingFindingCounts, PendingMissedNames]


def key_file(settings: Settings) -> Path | None:
    """Return the path of the master key that `init` creates for an embedded installation; None with PostgreSQL."""
    path = settings.sqlite_path
    return None if path is None else path.with_name(path.name + ".key")


def read_master_key(settings: Settings) -> MasterKey:
    """Return the master key, from the setting or from the file next to the database.

    Raises: Misconfigured.
    """
    if settings.master_key is not None:
        return MasterKey([key.strip() for key in settings.master_key.split(",")])
    path = key_file(settings)
    if path is None:
        raise Misconfigured("RISKRELAY_MASTER_KEY is not set; with PostgreSQL, set it to the same key on every node")
    if not path.is_file():
        raise Misconfigured(
            f"there is no master key: {path} is missing and RISKRELAY_MASTER_KEY is not set; for a new installation "
            "run `riskrelay init`, otherwise restore your copy of the key"
        )
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the master key {path} cannot be read ({error}); restore your copy of the key") from error
    return MasterKey([key.strip() for key in text.split(",")])


async def make_key_file(settings: Settings) -> bool:
    """Write a master key beside an embedded database that has none, readable by its owner only.

    Returns: whether a key was written. It is not if a key exists or the settings contain one.
    Raises:  Misconfigured: the database holds values that only its lost master key opens, or the key cannot be written.
    """
    path, database = key_file(settings), settings.sqlite_path
    if settings.master_key is not None or path is None or path.exists():
        return False
    if (
        database is not None
        and database.exists()
        and await work_on(settings.database_url, database, holds_sealed_values)
    ):
        raise Misconfigured(
            f"{database} contains keys that are encrypted with a master key, but {path} is missing. Restore your copy "
            "of the key, or set RISKRELAY_MASTER_KEY to it. A new key can't decrypt them"
        )
    return ensure_private(path, new_master_key() + "\n")


async def require_key_of_data(settings: Settings, master_key: MasterKey) -> None:
    """Refuse a master key that cannot open the secrets in the database.

    Raises: Misconfigured: the error names what to restore.
    """

    def open_all(connection: Connection) -> None:
        for one in sealed_values(connection):
            master_key.open(one.value, one.row)

    await work_on(settings.database_url, settings.sqlite_path, open_all)


async def reseal(settings: Settings) -> tuple[int, list[str]]:
    """Seal all secrets under the first master key, in small transactions. A second run continues an interrupted one.

    Returns: the number of values sealed again, and the names of the rows whose values no key opens.
    Raises: Misconfigured: there is no master key, or the database cannot be reached.
    """
    master_key = read_master_key(settings)
    count, unopened = 0, list[str]()
    place: tuple[int, tuple[str, ...]] | None = (0, ())
    while place is not None:
        work = partial(reseal_batch, resealed=master_key.resealed, place=place)
        batch = await work_on(settings.database_url, settings.sqlite_path, work)
        count, place = count + batch.resealed, batch.place
        unopened += batch.unopened
    return count, unopened


async def migrate(settings: Settings, waiting: Waiting = lambda holders: None) -> None:
    """Migrate the database to the newest schema, and create the SQLite file if it does not exist.

    Args:
        waiting: called with the sessions that hold a lock for which a PostgreSQL migration waits.

    Raises: Misconfigured: the database cannot be used or is damaged, or a lock was not free; nothing was changed.
    """
    path = settings.sqlite_path
    if path is not None and path.is_file() and path.stat().st_size:
        require_own_log(path)
        await asyncio.to_thread(require_whole, path)
    await work_on(settings.database_url, path, upgrade, waiting)


def restore_backup(settings: Settings, backup: Path, *, overwrite: bool) -> list[str]:
    """Replace the embedded database by a backup.

    Returns: the ids of the accounts in the backup.
    Raises:  Misconfigured: nothing was changed.
    """
    path = settings.sqlite_path
    if path is None:
        raise Misconfigured("this installation uses PostgreSQL; use its own tools, such as pg_restore or a base backup")
    return restore(backup, path, read_master_key(settings).open, overwrite=overwrite)


def check_files(settings: Settings, *, whole: bool) -> list[Check]:
    """Return the problems of this installation's files.

    Args:
        whole: also check the whole SQLite file, which takes one or two seconds per gigabyte.
    """
    found = [
        Check(topic="files", verdict=Verdict.WARNING, said=f"Other users of this machine can read {file}.", fix=advice)
        for file, advice in exposed_files(settings).items()
    ]
    found += check_databases(settings.geoip, SystemClock().now())
    path = settings.sqlite_path
    if path is None or not whole:
        return found
    try:
        faults = faults_of(path)
    except Misconfigured as error:
        return [
            *found,
            Check(
                topic="database",
                verdict=Verdict.PROBLEM,
                said=f"The database cannot be checked: {error}.",
                fix="see the checks below",
            ),
        ]
    if faults is None:
        return [
            *found,
            Check(topic="database", verdict=Verdict.OK, said="The database file is not damaged (quick_check)."),
        ]
    advice = "copy the file and its -wal file, then restore a backup: riskrelay restore FILE --overwrite"
    return [
        *found,
        Check(topic="database", verdict=Verdict.PROBLEM, said=f"The database file is damaged: {faults}.", fix=advice),
    ]


def exposed_files(settings: Settings) -> dict[Path, str]:
    """Return the files of this installation that other users can read, each with the command that fixes it."""
    path, key = settings.sqlite_path, key_file(settings)
    files = [] if path is None else database_files(path)
    files += [file for file in (key, settings.tls_key) if file is not None]
    return readable_by_others(files)


def open_store(settings: Settings) -> Store:
    """Return the database of *settings*, without creating it."""
    if settings.sqlite_path is not None:
        return SqliteStore(settings.sqlite_path)
    # Here, because processes on SQLite start faster without the driver and SQLAlchemy's asynchronous part.
    from riskrelay.storage.engines.postgres import PostgresStore

    return PostgresStore(settings.database_url)


async def require_schema(settings: Settings) -> None:
    """Refuse a database that does not exist or has another schema.

    Raises: Misconfigured: the error names the command to run.
    """
    path = settings.sqlite_path
    if path is not None and not path.exists():
        raise Misconfigured(
            f"there is no database at {path.absolute()}; run `riskrelay init`, which also prints a token, or set "
            "RISKRELAY_DATABASE_URL to the database of your installation"
        )
    found = await work_on(settings.database_url, settings.sqlite_path, revision_of)
    if found is None:
        raise Misconfigured("the database is empty; run `riskrelay init`, which creates its tables and prints a token")
    if found != newest_revision():
        raise Misconfigured("the database schema does not match this version; run `riskrelay migrate`")


_CHECKED_BYTES = 1 << 30  # guessed: SQLite checks this size in seconds; `riskrelay doctor` checks any size


async def require_whole_after_crash(settings: Settings) -> None:
    """Refuse a damaged SQLite file that was not closed cleanly, for example a copy next to an old write-ahead log.

    Raises: Misconfigured: the error describes how to restore a backup.
    """
    path = settings.sqlite_path
    if path is None or not path.is_file() or not log_of(path).exists():
        return
    require_own_log(path)
    if path.stat().st_size <= _CHECKED_BYTES:
        await asyncio.to_thread(require_whole, path)


async def migrate_store(
    settings: Settings, target: Settings, copied: Callable[[str, int], None]
) -> dict[str, Fingerprint]:
    """Copy the SQLite installation of *settings* into the empty PostgreSQL database of *target*.

    Args:
        copied: called during the copy with a table and the number of its copied rows.

    Returns: the number of rows in both databases, by table.
    Raises:  Misconfigured: one of the two is of the wrong kind, is in use or not empty; then nothing was changed.
    """
    path = settings.sqlite_path
    if path is None or target.sqlite_path is not None:
        raise Misconfigured(
            "RISKRELAY_DATABASE_URL must be the SQLite file, and the argument must be a postgresql:// URL"
        )
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


def build_services(settings: Settings) -> Services:
    """Build the dependencies of actions for a command that works on the database. The caller closes the store."""
    noted = PendingTokenUses(), PendingFindingCounts(), PendingMissedNames()
    return services_of(
        settings, lambda lanes: None, noted, Observers(PrometheusMetrics()), rule_evaluator=NoRuleEvaluator()
    )


def services_of(
    settings: Settings,
    wake: Wake,
    noted: Noted,
    observers: Observers,
    *,
    rule_evaluator: RuleEvaluator,
    geolocator: Geolocator | None = None,
    foresee: Foresee = foresee_nothing,
) -> Services:
    """Build the dependencies of actions for a process that serves or delivers.

    Args:
        foresee: only a process that delivers, too, can sign events before they are committed.
        geolocator: None: addresses have no place. Only a process that accepts activity needs one.
    """
    clock = SystemClock()
    limit = RateLimit(settings.rate_limit, WINDOW_SECONDS) if settings.rate_limit else None
    token_uses, finding_counts, missed_names = noted
    return Services(
        store=observers.over(open_store(settings)),
        clock=clock,
        ids=SystemIds(),
        metrics=observers.metrics,
        observer=observers,
        wake=wake,
        rate_limits=MemoryRateLimits(clock, limit),
        token_uses=token_uses,
        known_tokens=RememberedTokens(),
        finding_counts=finding_counts,
        missed_names=missed_names,
        user_counts=CountedUsers(),
        gathering=Alone() if observers.trace else Together(),
        quotas=Quotas(
            tokens=settings.quota_tokens,
            integrations=settings.quota_integrations,
            receiver_credentials=settings.quota_receiver_credentials,
            sources=settings.quota_sources,
            running_replays=settings.quota_running_replays,
            users=settings.quota_users,
            findings_per_user=settings.quota_findings_per_user,
            directory_entries=settings.quota_directory_entries,
            console_sessions=settings.quota_console_sessions,
        ),
        geolocator=geolocator or NoGeolocation(),
        rule_evaluator=rule_evaluator,
        foresee=foresee,
    )


def build_keyring(settings: Settings, master_key: MasterKey) -> Keyring:
    """Build the factory of signing keys under *master_key*.

    A retired key stays published while an event may be in transit.
    """
    clock = SystemClock()
    return Keyring(
        lambda algorithm: new_signing_key(algorithm, master_key, clock.now()), timedelta(days=settings.retention_days)
    )
