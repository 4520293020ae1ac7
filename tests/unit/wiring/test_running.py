"""The settings of the processes that run, as another shell finds them."""

from datetime import timedelta

import pytest

from riskrelay.core.errors import Misconfigured
from riskrelay.ports import Node, Store, Verdict
from riskrelay.settings import Settings, read_settings
from riskrelay.wiring.running import settings_in_force
from support.services import HandClock, services_of

SECONDS = timedelta(seconds=1)
PROXY = "http://user:canary@proxy.example:3128"


async def found(store: Store, own: Settings, *running: Settings, later: timedelta = SECONDS) -> tuple[str, Settings]:
    """What is said, each with its verdict, and the settings that are judged."""
    clock = HandClock()
    services = services_of(store, clock)
    for number, settings in enumerate(running):
        at = clock.now() + number * SECONDS
        node = Node(node_id=str(number), role="serve", started_at=at, seen_at=at, settings=settings.public)
        await store.write_installation(lambda tx, node=node: tx.nodes.announce(node))  # type: ignore[misc]
    clock.pass_time(later)
    checks, judged = await settings_in_force(services, own)
    assert all((check.verdict is Verdict.OK) == (check.fix is None) for check in checks)
    return " ".join(f"{check.verdict}: {check.said}" for check in checks), judged


async def test_a_running_process_is_judged(sqlite_store: Store) -> None:
    """By its settings; the database, the secrets and the port of a worker's metrics are this shell's."""
    own = read_settings(database_url="postgresql://u:p@127.0.0.1/x", master_key="k", egress_proxy=PROXY, metrics_port=7)
    service = read_settings(
        public_url="https://risk.example.com", allow_targets="10.0.0.0/8", trusted_proxies="10.0.0.0/8, ::1",
        egress_proxy=PROXY, port=9, database_url="sqlite:///other.db", master_key="other", retention_days=9,
    )  # fmt: skip
    said, judged = await found(sqlite_store, own, service)
    assert judged == service.model_copy(update={"database_url": own.database_url, "master_key": "k", "metrics_port": 7})
    assert "RISKRELAY_ALLOW_TARGETS, RISKRELAY_PUBLIC_URL, RISKRELAY_RETENTION_DAYS, RISKRELAY_TRUSTED_PROXIES." in said


@pytest.mark.parametrize("later", [timedelta(seconds=89), timedelta(seconds=91)])
async def test_a_process_that_has_not_been_seen_for_long_counts_as_ended(sqlite_store: Store, later: timedelta) -> None:
    """After ninety seconds."""
    service = read_settings(retention_days=9)
    said, judged = await found(sqlite_store, read_settings(), service, later=later)
    ended = later > timedelta(seconds=90)
    assert judged.retention_days == (7 if ended else 9)
    assert ("warning: No riskrelay process uses" in said) == ended


async def test_processes_that_disagree_are_reported(sqlite_store: Store) -> None:
    """The settings that differ are named, except those that may differ. The process that started last is examined."""
    several = [read_settings(retention_days=days, port=days) for days in (7, 8, 9)]
    said, judged = await found(sqlite_store, read_settings(), *several)
    assert "warning: The running processes have different settings: RISKRELAY_RETENTION_DAYS." in said
    assert judged.retention_days == 9


async def test_no_secret_is_kept_in_the_database(sqlite_store: Store) -> None:
    """Of the proxy only that it has a password; without it here, receivers cannot be judged."""
    service = read_settings(master_key="canary", database_url="postgresql://u:canary@h/x", egress_proxy=PROXY)
    assert "canary" not in str(service.public)
    said, judged = await found(sqlite_store, read_settings(), service)
    assert judged.has_hidden_proxy
    assert "warning: The receivers were not checked" in said


async def test_settings_of_another_version_are_passed_over_or_refused(sqlite_store: Store) -> None:
    """A setting that this version does not know is passed over; a value that it cannot read is refused."""
    own = read_settings()
    assert own.as_running({**own.public, "from_the_future": 1}) == own
    with pytest.raises(Misconfigured, match="another version"):
        own.as_running({**own.public, "retention_days": "many"})
