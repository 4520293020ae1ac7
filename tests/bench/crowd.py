"""Two thousand integrations, some of them dead and some slow: what the healthy ones feel of it."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.integrations import NewIntegration, create_integration
from riskrelay.bench.installation import Installation
from riskrelay.bench.processes import ProcessFailed, free_port
from riskrelay.bench.receiver import Arrival, BenchReceiver
from riskrelay.bench.scenarios import Measured, Place, percentiles_ms
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.integrations import AccountId, IntegrationType
from riskrelay.core.risk.behaviors import DEFAULT_SETTINGS
from riskrelay.ports import Services
from riskrelay.settings import read_settings
from riskrelay.wiring.installation import build_services

HEALTHY, DEAD, SLOW = 18, 1, 1  # integrations of each account: 5 % are dead and 5 % slow
SLOW_MS = 10_000
_NEVER = -1
_PATIENCE_SECONDS = 300


async def crowd(place: Place, accounts: int, per_second: float, seconds: float, *, sick: bool) -> list[Measured]:
    """How long events take to healthy receivers, at a steady rate over many accounts.

    Half of the dead refuse connections, the other half take them and never answer. Every receiver has a loopback
    address of its own.

    Args:
        accounts: each with 20 integrations.
        per_second: findings, spread over the accounts; each is an event for every integration of its account.
        sick: whether one of them is dead and one slow; otherwise these two are healthy as well.
    """
    healthy = HEALTHY if sick else HEALTHY + DEAD + SLOW
    receiver = BenchReceiver(place.receiver_command, keep=True, delays=(SLOW_MS, _NEVER))
    async with Installation(place.directory, place.database_url, place.workers, accounts) as installation:
        services = build_services(read_settings(database_url=installation.database_url))
        try:
            for number, account_id in enumerate(installation.accounts):
                await _furnish(services, account_id, list(_receivers(receiver, number, sick=sick)))
        finally:
            await services.store.close()
        await receiver.start(installation.processes)
        await installation.start()
        await installation.calm()
        emails = [f"c{number}@bench.example" for number in range(max(accounts, round(per_second * seconds)))]
        targets = [installation.target(account_id) for account_id in installation.accounts]
        requests = (targets[number % accounts].single(email) for number, email in enumerate(emails))
        async with installation.load() as load:
            moments = await load.open_loop(requests, per_second)
        arrivals = await _healthy_arrivals(receiver, len(emails) * healthy)
        await receiver.stop()
    due = dict(zip(emails, moments, strict=True))
    waits = sorted((arrival.at - due[arrival.claims["sub_id"]["email"]]) / 1e6 for arrival in arrivals)
    variant = "5 % dead, 5 % slow" if sick else "all healthy"
    return [
        Measured(
            scenario="crowd",
            engine=installation.engine,
            workers=place.workers,
            variant=variant,
            figures=percentiles_ms(waits),
        )
    ]


def _receivers(receiver: BenchReceiver, account: int, *, sick: bool) -> Iterator[str]:
    """The tenant URLs of one account's integrations."""
    slow, mute = receiver.slow_ports
    for number in range(HEALTHY if sick else HEALTHY + DEAD + SLOW):
        yield f"http://127.1.{account}.{number + 1}:{receiver.port}"
    if sick:
        yield f"http://127.2.{account}.1:{slow}"
        yield f"http://127.3.{account}.1:{mute if account % 2 else free_port()}"


async def _furnish(services: Services, account_id: AccountId, tenant_urls: list[str]) -> None:
    enabled = {behavior: replace(setting, enabled=True) for behavior, setting in DEFAULT_SETTINGS.items()}
    await set_behaviors(services, account_id, COMMAND_LINE, enabled)
    for tenant_url in tenant_urls:
        await create_integration(
            services,
            account_id,
            COMMAND_LINE,
            NewIntegration(integration_type=IntegrationType.OKTA, tenant_url=tenant_url),
            public_origin="http://127.0.0.1",
        )


async def _healthy_arrivals(receiver: BenchReceiver, count: int) -> list[Arrival]:
    """What came to the healthy receivers, when all of it is there.

    Raises: ProcessFailed: not in time.
    """
    found: list[Arrival] = []
    for _ in range(_PATIENCE_SECONDS * 10):
        found += [arrival for arrival in await receiver.arrivals() if arrival.port == receiver.port]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.1)
    raise ProcessFailed(f"only {len(found)} of {count} events reached healthy receivers")
