"""Restoring a backup of the embedded store, and what keeps an operator from a trap (row 46)."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from riskrelay.actions.accounts import create_account
from riskrelay.actions.signing_keys import complete_signing_keys
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import Misconfigured
from riskrelay.core.integrations import AccountId
from riskrelay.settings import Settings, read_settings
from riskrelay.signing.sealing import new_master_key
from riskrelay.storage.engines.copying import back_up
from riskrelay.storage.engines.file_systems import hold_alone
from riskrelay.storage.engines.opening import work_on_file
from riskrelay.storage.engines.schema import upgrade
from riskrelay.wiring.installation import (
    build_keyring,
    build_services,
    check_files,
    key_file,
    make_key_file,
    migrate,
    read_master_key,
    require_key_of_data,
    require_whole_after_crash,
    restore_backup,
)

FILLER = 400
LATE = 4_000_000_000_000_000  # microseconds: behind every account


async def installed(path: Path, *accounts: str) -> Settings:
    """An installation with a master key, signing keys and accounts, that nobody serves."""
    settings = read_settings(database_url=f"sqlite:///{path}")
    await make_key_file(settings)
    await migrate(settings)
    services = build_services(settings)
    await complete_signing_keys(services, COMMAND_LINE, build_keyring(settings, read_master_key(settings)).make)
    for account in accounts:
        await create_account(services, AccountId(account), COMMAND_LINE)
    await services.store.close()
    return settings


def accounts_of(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT account_id FROM accounts")}


def digest(directory: Path) -> dict[str, bytes]:
    """What is in a directory: to see that nothing was changed."""
    return {file.name: file.read_bytes() for file in directory.iterdir() if not file.name.endswith((".lock", "-shm"))}


@pytest.fixture
async def live(tmp_path: Path) -> Settings:
    """An installation in a directory of its own, and a backup of it from before its second account."""
    (tmp_path / "live").mkdir()
    path = tmp_path / "live" / "riskrelay.db"
    settings = await installed(path, "acme")
    back_up(path, tmp_path / "backup.db")
    services = build_services(settings)
    await create_account(services, AccountId("later"), COMMAND_LINE)
    await services.store.close()
    return settings


@pytest.fixture
def path(live: Settings) -> Path:
    assert live.sqlite_path is not None
    return live.sqlite_path


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


def leave_a_log(path: Path) -> None:
    """Leave a write-ahead log beside the file, as a process that was killed does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        for number in range(FILLER):
            connection.execute("INSERT INTO accounts VALUES (?, ?)", (f"filler-{number}", LATE))
        for suffix in ("-wal", "-shm"):
            shutil.copy(f"{path}{suffix}", f"{path}{suffix}.kept")
        shutil.copy(path, f"{path}.kept")
    for suffix in ("", "-wal", "-shm"):
        shutil.move(f"{path}{suffix}.kept", f"{path}{suffix}")


@pytest.mark.fault(46)
async def test_a_backup_takes_the_place_of_the_old_database_and_its_log(
    live: Settings, path: Path, backup: Path
) -> None:
    """Without --overwrite a database with accounts stays; with it the backup is there, whole, private, and nothing of
    the old log."""
    leave_a_log(path)
    with pytest.raises(Misconfigured, match="contains the accounts acme, later"):
        restore_backup(live, backup, overwrite=False)
    assert accounts_of(path) >= {"acme", "later", "filler-0", f"filler-{FILLER - 1}"}
    assert restore_backup(live, backup, overwrite=True) == ["acme"]
    assert accounts_of(path) == {"acme"}
    await require_key_of_data(live, read_master_key(live))
    assert [check.verdict for check in check_files(live, whole=True)] == ["ok"]
    left = {file.name for file in path.parent.iterdir()} - {"riskrelay.db-wal", "riskrelay.db-shm"}
    assert left == {"riskrelay.db", "riskrelay.db.key", "riskrelay.db.lock"}


@pytest.mark.fault(46)
@pytest.mark.parametrize("beside", ["nothing", "an empty file", "a log of another database"])
async def test_a_backup_is_restored_on_a_new_machine(
    live: Settings, path: Path, backup: Path, tmp_path: Path, beside: str
) -> None:
    """With the copy of the key; a log that lies where the database comes is removed, not mixed in."""
    leave_a_log(path)
    new = tmp_path / "new" / "riskrelay.db"
    new.parent.mkdir()
    shutil.copy(path.with_name("riskrelay.db.key"), new.parent)
    if beside == "an empty file":
        new.touch()
    if beside == "a log of another database":
        shutil.copy(f"{path}-wal", f"{new}-wal")
    settings = read_settings(database_url=f"sqlite:///{new}")
    assert restore_backup(settings, backup, overwrite=False) == ["acme"]
    assert accounts_of(new) == {"acme"}
    assert [check.verdict for check in check_files(settings, whole=True)] == ["ok"]


@pytest.mark.fault(46)
async def test_a_copy_beside_the_log_of_the_old_database_is_refused(live: Settings, path: Path, backup: Path) -> None:
    """Whatever opens it first says so and changes nothing; `restore` mends it."""
    leave_a_log(path)
    shutil.copy(backup, path)
    before = digest(path.parent)
    with pytest.raises(Misconfigured, match="belongs to the previous database"):
        await migrate(live)
    with pytest.raises(Misconfigured, match="belongs to the previous database"):
        await require_whole_after_crash(live)
    with pytest.raises(Misconfigured, match="belongs to the previous database"):
        work_on_file(path, lambda connection: None)
    assert digest(path.parent) == before
    assert restore_backup(live, backup, overwrite=True) == ["acme"]
    assert accounts_of(path) == {"acme"}


@pytest.mark.fault(46)
async def test_a_copy_that_keeps_its_own_log_is_found_damaged(live: Settings, path: Path, tmp_path: Path) -> None:
    """A copy by other tools does not tell that a log is not its own: the check of the whole file does, before `serve`
    and `migrate` write anything."""
    copy = tmp_path / "cp.db"
    shutil.copy(path, copy)  # no log is beside it: the installation was closed in an orderly way
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO accounts VALUES (?, ?)", [(f"more-{n}", LATE) for n in range(5_000)])
        connection.commit()
    leave_a_log(path)
    shutil.copy(copy, path)
    before = digest(path.parent)
    with pytest.raises(Misconfigured, match=r"damaged.*restore FILE"):
        await require_whole_after_crash(live)
    with pytest.raises(Misconfigured, match=r"damaged.*restore FILE"):
        await migrate(live)
    assert digest(path.parent) == before
    (problem,) = check_files(live, whole=True)
    assert (problem.verdict, "damaged" in problem.said) == ("problem", True)


@pytest.mark.fault(46)
async def test_init_makes_no_second_key_for_sealed_values(live: Settings, path: Path) -> None:
    """If the key is missing, `init` names the file to restore and writes nothing, also on an older schema."""
    key = key_file(live)
    assert key is not None
    kept = key.read_text()
    key.unlink()
    with pytest.raises(Misconfigured, match="Restore your copy of the key"):
        await make_key_file(live)
    assert not key.exists()
    with pytest.raises(Misconfigured, match="restore your copy of the key"):
        read_master_key(live)
    key.write_text(kept)
    assert not await make_key_file(live)


@pytest.mark.parametrize("revision", ["0001", "0010", "0020"])
async def test_init_continues_if_nothing_is_sealed_yet(tmp_path: Path, revision: str) -> None:
    """An `init` that was cut off after the schema: the next one makes the key."""
    path = tmp_path / "riskrelay.db"
    work_on_file(path, lambda connection: upgrade(connection, revision))
    assert await make_key_file(read_settings(database_url=f"sqlite:///{path}"))


@pytest.mark.fault(46)
@pytest.mark.parametrize("key", ["another", "missing", "not a key"])
async def test_a_backup_that_the_key_does_not_open_is_not_restored(
    live: Settings, path: Path, backup: Path, key: str
) -> None:
    """Also with --overwrite: the database stays as it is, and nothing half done lies beside it."""
    file = key_file(live)
    assert file is not None
    file.unlink()
    if key != "missing":
        file.write_text(new_master_key() if key == "another" else "secret")
    before = digest(path.parent)
    with pytest.raises(Misconfigured, match="RISKRELAY_MASTER_KEY"):
        restore_backup(live, backup, overwrite=True)
    assert digest(path.parent) == before


async def test_another_key_is_refused_where_values_are_sealed(live: Settings) -> None:
    """`init` adds nothing to a database that its master key does not open."""
    other = live.model_copy(update={"master_key": new_master_key()})
    with pytest.raises(Misconfigured, match="encrypted with another master key"):
        await require_key_of_data(other, read_master_key(other))


@pytest.mark.fault(46)
async def test_a_database_that_is_served_is_never_replaced(live: Settings, path: Path, backup: Path) -> None:
    """Neither with --overwrite: the process would go on with the file that is no more."""
    with hold_alone(path), pytest.raises(Misconfigured, match="another riskrelay process uses"):
        restore_backup(live, backup, overwrite=True)
    assert accounts_of(path) == {"acme", "later"}


async def test_a_database_that_another_program_uses_is_not_replaced(live: Settings, path: Path, backup: Path) -> None:
    """A program that reads it keeps its log from being taken over."""
    leave_a_log(path)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("SELECT count(*) FROM accounts").fetchone()
        with pytest.raises(Misconfigured, match="another program uses"):
            restore_backup(live, backup, overwrite=True)
    assert accounts_of(path) >= {"acme", "later"}


def damaged(backup: Path) -> None:
    content = bytearray(backup.read_bytes())
    content[8_192:40_960] = b"\xa5" * 32_768
    backup.write_bytes(content)


def newer(backup: Path) -> None:
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def foreign(backup: Path) -> None:
    backup.unlink()
    with closing(sqlite3.connect(backup)) as connection:
        connection.execute("CREATE TABLE notes (x)")
        connection.commit()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (damaged, "damaged"),
        (newer, "has the unknown schema 9999"),
        (foreign, "not a riskrelay database"),
        (lambda backup: backup.write_text("hello" * 1_000), "is not a database"),
        (lambda backup: backup.write_bytes(b""), "not a riskrelay database"),
        (Path.unlink, "does not exist"),
        (lambda backup: backup.write_bytes(backup.read_bytes()[:20_000]), "damaged"),
    ],
    ids=["damaged", "newer", "foreign", "text", "empty", "missing", "cut off"],
)
async def test_a_backup_that_is_none_changes_nothing(
    live: Settings, path: Path, backup: Path, spoil: object, words: str
) -> None:
    """It says what is wrong with it."""
    assert callable(spoil)
    spoil(backup)
    before = digest(path.parent)
    with pytest.raises(Misconfigured, match=words):
        restore_backup(live, backup, overwrite=True)
    assert digest(path.parent) == before


async def test_a_backup_is_not_the_database_itself(live: Settings, path: Path) -> None:
    """Nor by another name."""
    link = path.with_name("link.db")
    link.symlink_to(path)
    for one in (path, link):
        with pytest.raises(Misconfigured, match="is the database itself"):
            restore_backup(live, one, overwrite=True)


async def test_a_backup_of_an_older_version_is_brought_up_to_date(live: Settings, path: Path, tmp_path: Path) -> None:
    """`restore` leaves nothing for `migrate`."""
    old = tmp_path / "old.db"
    work_on_file(old, lambda connection: upgrade(connection, "0010"))
    assert restore_backup(live, old, overwrite=True) == []
    await migrate(live)
    assert accounts_of(path) == set()


def test_postgresql_has_its_own_tools(tmp_path: Path) -> None:
    """`restore` says which."""
    settings = read_settings(database_url="postgresql://db/riskrelay", master_key=new_master_key())
    with pytest.raises(Misconfigured, match="pg_restore"):
        restore_backup(settings, tmp_path / "a.db", overwrite=True)
