"""A create that repeats a reference id: a retry, or a second integration (contract 8)."""

from datetime import timedelta

import pytest

from riskrelay.actions.integrations import MAX_RETRY_AGE, NewIntegration, create_integration
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.integrations import Integration, IntegrationType
from riskrelay.ports import Services, Store
from support.services import HandClock, services_of
from support.world import ACCOUNT, ORIGIN, account_with_integration

TENANT = "https://a.example"
ONE_SECOND = timedelta(seconds=1)


@pytest.fixture
async def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def services(sqlite_store: Store, clock: HandClock) -> Services:
    services = services_of(sqlite_store, clock)
    await account_with_integration(services)
    return services


async def create(
    services: Services,
    kind: IntegrationType = IntegrationType.OKTA,
    tenant: str = TENANT,
    *,
    active: bool = True,
    retry_count: int | None = None,
) -> Integration:
    return await create_integration(
        services,
        ACCOUNT,
        COMMAND_LINE,
        NewIntegration(integration_type=kind, tenant_url=tenant, reference_id="ref", active=active),
        public_origin=ORIGIN,
        retry_count=retry_count,
    )


async def refused(services: Services, holder: Integration, retry_count: int | None, **body: object) -> None:
    """Check that a create is refused with 1105, and that the message names *holder*."""
    with pytest.raises(Invalid) as caught:
        await create(services, retry_count=retry_count, **body)  # type: ignore[arg-type]
    (fault,) = caught.value.faults
    assert (fault.kind, fault.pointer) == (FaultKind.REFERENCE_TAKEN, "/reference_id")
    assert holder.integration_id in fault.message


@pytest.mark.parametrize("count", [1, 2, 10])
async def test_a_marked_retry_gets_the_stored_record_at_any_age(
    services: Services, clock: HandClock, count: int
) -> None:
    """A request with X-Stainless-Retry-Count of 1 or more and the same body gets the stored record, unchanged."""
    made = await create(services, retry_count=0)
    clock.pass_time(timedelta(days=300))
    assert await create(services, retry_count=count) == made


async def test_a_marked_first_try_never_gets_the_stored_record(services: Services) -> None:
    """Terraform's create_before_destroy sends the old body as a first try: the old record must not be the answer."""
    made = await create(services, retry_count=0)
    await refused(services, made, 0)


async def test_an_unmarked_repeat_gets_the_stored_record_for_ten_minutes(services: Services, clock: HandClock) -> None:
    """Without the header, the age of the record decides; ten minutes old is too old."""
    made = await create(services)
    clock.pass_time(MAX_RETRY_AGE - ONE_SECOND)
    assert await create(services) == made
    clock.pass_time(ONE_SECOND)
    await refused(services, made, None)


async def test_a_clock_that_was_set_back_keeps_no_record_young(services: Services, clock: HandClock) -> None:
    """A record that seems to come from more than ten minutes ahead is not younger than ten minutes."""
    made = await create(services)
    clock.pass_time(-MAX_RETRY_AGE + ONE_SECOND)
    assert await create(services) == made
    clock.pass_time(-ONE_SECOND)
    await refused(services, made, None)


@pytest.mark.parametrize("count", [None, 0, 1])
@pytest.mark.parametrize("body", [{"kind": IntegrationType.SSF}, {"tenant": f"{TENANT}/"}, {"active": False}])
async def test_another_body_is_refused_whatever_the_header_says(
    services: Services, count: int | None, body: dict[str, object]
) -> None:
    """Another type, tenant URL or active is no repeat."""
    made = await create(services)
    await refused(services, made, count, **body)
