"""`riskrelay key reseal`: a leaked master key is retired while the service runs."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection, LargeBinary, column, select, table, update

from riskrelay.actions.signing_keys import complete_signing_keys
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.keys import sealed_row
from riskrelay.settings import Settings, read_settings
from riskrelay.signing.sealing import MasterKey, new_master_key
from riskrelay.storage.engines.opening import work_on
from riskrelay.storage.sealed_values import SealedValue, reseal_batch, sealed_values
from riskrelay.storage.tables import metadata
from riskrelay.wiring.installation import build_keyring, build_services, migrate, read_master_key, reseal
from support.certificates import new_authority
from support.databases import PostgresServer
from support.service import Oracle, Service, environment

KEYS = table("signing_keys", column("kid"), column("sealed_private", LargeBinary))


@pytest.fixture(params=["sqlite", "postgres"])
async def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The settings of an installation that has its signing keys, on each engine."""
    url = f"sqlite:///{tmp_path / 'riskrelay.db'}"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = await server.new_database()
    settings = read_settings(database_url=url, master_key=new_master_key())
    await migrate(settings)
    services = build_services(settings)
    await complete_signing_keys(services, COMMAND_LINE, build_keyring(settings, read_master_key(settings)).make)
    await services.store.close()
    return settings


async def stored(settings: Settings) -> list[SealedValue]:
    return await work_on(
        settings.database_url, settings.sqlite_path, lambda connection: list(sealed_values(connection))
    )


async def store(settings: Settings, value: SealedValue, sealed: bytes) -> None:
    kid = value.row.removeprefix("signing_keys/")
    change = update(KEYS).where(KEYS.c.kid == kid).values(sealed_private=sealed)
    await work_on(settings.database_url, settings.sqlite_path, lambda connection: connection.execute(change).rowcount)


async def test_values_of_an_older_version_are_bound_and_what_cannot_be_opened_is_named(settings: Settings) -> None:
    """Fernet tokens are sealed again for their rows; a value under a lost key stays as it is, and is named."""
    old, new = settings.master_key or "", new_master_key()
    lost, *values = await stored(settings)
    assert len(values) >= 3
    for value in values:
        await store(settings, value, Fernet(old).encrypt(MasterKey([old]).open(value.value, value.row)))
    under_lost_key = Fernet(new_master_key()).encrypt(b"secret")
    await store(settings, lost, under_lost_key)
    both = settings.model_copy(update={"master_key": f"{new},{old}"})
    assert await reseal(both) == (len(values), [lost.row])
    assert await reseal(both) == (0, [lost.row])
    after = {value.row: value.value for value in await stored(settings)}
    assert after.pop(lost.row) == under_lost_key
    assert all(MasterKey([new]).open(value, row) for row, value in after.items())


async def test_a_change_made_meanwhile_is_kept(settings: Settings) -> None:
    """A value that was replaced after it was read is not overwritten with the old secret."""
    value, *_ = await stored(settings)
    newer = MasterKey([settings.master_key or ""]).seal(b"newer", value.row)

    def resealed_too_late(connection: Connection) -> int:
        kid = value.row.removeprefix("signing_keys/")
        change = update(KEYS).where(KEYS.c.kid == kid).values(sealed_private=newer)

        def meanwhile(sealed: bytes, row: str) -> bytes | None:
            if row != value.row:
                return None
            connection.execute(change)
            return b"older"

        return reseal_batch(connection, meanwhile).resealed

    assert await work_on(settings.database_url, settings.sqlite_path, resealed_too_late) == 0
    assert {one.row: one.value for one in await stored(settings)}[value.row] == newer


def test_a_leaked_master_key_is_retired(tmp_path: Path) -> None:
    """Everything is sealed under the new key; a second run finds nothing to do; the old key is not needed any more."""
    service = Service(tmp_path)
    old = next(path for path in tmp_path.glob("*key*")).read_text().strip()
    new = new_master_key()
    service.settings["RISKRELAY_MASTER_KEY"] = f"{new},{old}"
    first = json.loads(service.command("key", "reseal", "--json").stdout)
    assert first["resealed"] >= 4  # a current and a next key of each algorithm
    assert first["unopened"] == []
    assert json.loads(service.command("key", "reseal", "--json").stdout) == {"resealed": 0, "unopened": []}
    service.settings["RISKRELAY_MASTER_KEY"] = new
    assert json.loads(service.command("key", "reseal", "--json").stdout) == {"resealed": 0, "unopened": []}


_KILLED_AFTER_ONE_BATCH = """
import asyncio, os, signal
from riskrelay.settings import read_settings
from riskrelay.wiring import installation
work_on = installation.work_on
batches = []
async def counted(*arguments):
    if batches:
        os.kill(os.getpid(), signal.SIGKILL)
    batches.append(await work_on(*arguments))
    return batches[-1]
installation.work_on = counted
asyncio.run(installation.reseal(read_settings()))
"""


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_reseal_is_killed_between_batches_while_the_service_delivers(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Nothing is lost: the next run seals the rest, signing keys, a TLS key and a stream's authorization header, and
    the service delivers before, between and afterwards, then with the new key alone."""
    shared = {}
    if engine == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        shared = {"RISKRELAY_DATABASE_URL": asyncio.run(server.new_database())}
    old, new = new_master_key(), new_master_key()
    service = Service(tmp_path, None, **shared, RISKRELAY_MASTER_KEY=old)
    oracle = Oracle(tmp_path)
    oracle.start()
    service.settings["RISKRELAY_MASTER_KEY"] = f"{new},{old}"
    service.start()
    service.enable_behaviors()
    own = service.create_integration(oracle.url)["id"]
    files = new_authority(tmp_path).files("client.test")
    service.command(
        "integration", "tls", own, "--certificate", str(files.certificate), "--key", str(files.key), "--account", "acme"
    )
    settings = read_settings(
        database_url=service.settings["RISKRELAY_DATABASE_URL"], master_key=service.settings["RISKRELAY_MASTER_KEY"]
    )
    vault = MasterKey([new, old])

    def set_authorization(connection: Connection) -> None:
        streams = metadata.tables["streams"]
        (account_id, stream_id) = connection.execute(select(streams.c.account_id, streams.c.stream_id)).one()
        sealed = MasterKey([old]).seal(b"Bearer secret", sealed_row("streams", account_id, stream_id))
        connection.execute(update(streams).values(sealed_authorization=sealed))

    asyncio.run(work_on(settings.database_url, settings.sqlite_path, set_authorization))
    sent = 0

    def deliver() -> None:
        nonlocal sent
        sent += 1
        service.result("POST", "/findings", {"behavior": "high_dlp", "user": {"email": f"u{sent}@example.com"}})
        oracle.wait_for("/security/api/v1/security-events", sent)

    deliver()
    before = asyncio.run(stored(settings))
    opened = {one.row: vault.open(one.value, one.row) for one in before}
    assert len({one.row.split("/")[0] for one in before}) == 3
    killed = subprocess.run([sys.executable, "-c", _KILLED_AFTER_ONE_BATCH], env=environment(**service.settings))
    assert killed.returncode == -signal.SIGKILL
    deliver()
    rest = json.loads(service.command("key", "reseal", "--json").stdout)
    assert 0 < rest["resealed"] < len(before)
    assert rest["unopened"] == []
    deliver()
    assert {one.row: MasterKey([new]).open(one.value, one.row) for one in asyncio.run(stored(settings))} == opened
    service.stop()
    service.settings["RISKRELAY_MASTER_KEY"] = new
    service.start()
    deliver()
    assert service.stop() == 0
    oracle.stop()
