"""The table of receiver products: complete, true to the other tables, and the only place that knows a product."""

import ast
import re
from pathlib import Path

import pytest

import riskrelay
from riskrelay.actions.integrations import NewIntegration, create_integration, set_signing_algorithm
from riskrelay.core import signals
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import DeliveryLimits, Integration, IntegrationType
from riskrelay.core.keys import Algorithm
from riskrelay.core.products import PRODUCTS, implicit_stream_of
from riskrelay.core.products.rows import ImplicitStream, Product
from riskrelay.core.risk.assessment import Cause, LevelChange
from riskrelay.core.risk.behaviors import BehaviorId, reason_for
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.ssf.event_rules import event_faults
from riskrelay.core.ssf.event_types import EVENT_TYPES, EVENTS_SUPPORTED
from riskrelay.core.ssf.level_changes import LEVEL_CHANGE_EVENTS
from riskrelay.core.ssf.streams import Stream
from riskrelay.core.ssf.subjects import email_subject
from riskrelay.ports import Store
from riskrelay.storage.tables import integrations
from riskrelay.web.console.setup_steps import PLACEHOLDERS, pieces
from support.command_line import invoke
from support.services import NOON, CountingIds, services_of
from support.world import ACCOUNT, ORIGIN, account_with_integration

PACKAGE = Path(riskrelay.__file__).parent
TENANT = "https://tenant.example"
IMPLICIT = [row for row in PRODUCTS.values() if row.implicit_stream is not None]

each_product = pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda row: row.integration_type.value)
each_implicit = pytest.mark.parametrize("product", IMPLICIT, ids=lambda row: row.integration_type.value)


def stream_of(product: Product) -> ImplicitStream:
    return implicit_stream_of(product.integration_type)


def test_every_integration_type_has_a_row() -> None:
    """Under its own name, short enough for its column, and with words that nobody else has."""
    assert list(PRODUCTS) == [row.integration_type for row in PRODUCTS.values()]
    assert set(PRODUCTS) == set(IntegrationType)
    for words in ([row.name for row in PRODUCTS.values()], [row.label for row in PRODUCTS.values()]):
        assert len(set(words)) == len(PRODUCTS)
    assert max(map(len, IntegrationType)) <= integrations.c.integration_type.type.length  # type: ignore[attr-defined]


@each_product
def test_a_row_is_complete(product: Product) -> None:
    """It has algorithms, a summary, a hint for the tenant URL and steps that lead to the well-known URL."""
    assert len(set(product.algorithms)) == len(product.algorithms) > 0
    assert product.summary
    assert product.tenant_url_hint
    shown = [piece.placeholder for step in product.setup_steps for piece in pieces(step) if piece.placeholder]
    assert "well_known_url" in shown
    assert set(shown) <= set(PLACEHOLDERS)


@each_implicit
@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("current", [None, *RiskLevel])
def test_an_implicit_streams_events_are_valid(product: Product, current: RiskLevel | None, cause: Cause) -> None:
    """Its event type is a row of the table of event types, which no receiver can ask for; level changes and tests of
    the connection are events of it."""
    stream = stream_of(product)
    behaviors = () if current is None else (BehaviorId("high_dlp"),)
    change = LevelChange(
        user_id=UserId("u"),
        email="kai@example.com",
        previous=RiskLevel.LOW,
        current=current,
        behaviors=behaviors,
        reason=reason_for(behaviors, {}),
        cause=cause,
        changed_at=NOON,
    )
    subject = email_subject(change.email)
    row = EVENT_TYPES[stream.event_type]
    assert row.uri not in EVENTS_SUPPORTED
    assert event_faults(row, stream.level_change(change, subject)) == []
    assert event_faults(row, stream.verification(subject, NOON)) == []
    assert LEVEL_CHANGE_EVENTS[stream.event_type] is stream.level_change


@each_product
async def test_a_new_integration_follows_its_row(product: Product, sqlite_store: Store) -> None:
    """It signs with the first algorithm and has the limits of the row; it has a stream exactly if the row says so, to
    which level changes and tests are pushed at the row's path, with the tenant URL as the audience."""
    integration, streams = await created(product, sqlite_store)
    assert (integration.signing_algorithm, integration.limits) == (product.algorithms[0], product.limits)
    assert len(streams) == (product.implicit_stream is not None)
    for stream in streams:
        row = stream_of(product)
        assert (stream.endpoint_url, stream.audience) == (TENANT + row.events_path, TENANT)
        assert stream.events_delivered == (row.event_type,)
        assert [uri for uri in EVENT_TYPES if stream.carries(uri)] == [row.event_type]
        test = signals.operators_verification(stream, None, NOON, CountingIds().uuid)
        assert test.event.event_type == row.event_type


async def test_the_limits_of_a_row_are_stored(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A product with limits gives them to new integrations."""
    limits = DeliveryLimits(7, 3)
    row = Product(
        integration_type=IntegrationType.SSF,
        name="n",
        label="l",
        summary="s",
        tenant_url_hint="t",
        algorithms=(Algorithm.ES256,),
        setup_steps=(),
        limits=limits,
    )
    monkeypatch.setattr("riskrelay.actions.integrations.PRODUCTS", {**PRODUCTS, IntegrationType.SSF: row})
    integration, _ = await created(row, sqlite_store)
    assert (integration.limits, integration.signing_algorithm) == (limits, Algorithm.ES256)


async def created(product: Product, store: Store) -> tuple[Integration, list[Stream]]:
    """Create an integration, and read it and its streams back."""
    services = services_of(store)
    await account_with_integration(services)
    wanted = NewIntegration(integration_type=product.integration_type, tenant_url=TENANT)
    made = await create_integration(services, ACCOUNT, COMMAND_LINE, wanted, public_origin=ORIGIN)
    integration = await store.read(ACCOUNT, lambda tx: tx.integrations.get(made.integration_id))
    streams = await store.read(ACCOUNT, lambda tx: tx.streams.of_integration(made.integration_id))
    assert integration is not None
    return integration, list(streams)


@each_product
@pytest.mark.parametrize("algorithm", Algorithm)
async def test_it_signs_with_the_algorithms_of_its_row_only(
    product: Product, algorithm: Algorithm, sqlite_store: Store
) -> None:
    """Another one is refused, and the message names those of the row."""
    integration, _ = await created(product, sqlite_store)
    change = set_signing_algorithm(
        services_of(sqlite_store), ACCOUNT, COMMAND_LINE, integration.integration_id, algorithm
    )
    if algorithm in product.algorithms:
        assert (await change).signing_algorithm is algorithm
    else:
        with pytest.raises(Invalid, match=" or ".join(product.algorithms)):
            await change


def test_the_command_line_offers_every_type() -> None:
    """With what it is."""
    help_page = invoke("integration", "create", "--help").output
    shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", help_page).split())
    assert f"--type <{'|'.join(IntegrationType)}>" in shown
    for product in PRODUCTS.values():
        assert f"{product.integration_type}: {product.summary}" in shown


def test_nothing_else_asks_for_a_product() -> None:
    """No module outside of the table names a member of IntegrationType, and no template compares one."""
    modules = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE / "core" / "products"]
    named = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "IntegrationType"
    ]
    templates = [
        path.name
        for path in PACKAGE.rglob("*.html")
        if re.search(rf"[\"']({'|'.join(IntegrationType)})[\"']", path.read_text())
    ]
    assert (named, templates) == ([], [])
