"""Integrations, by account."""

from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from riskrelay.core.integrations import (
    AccountId,
    DeliveryLimits,
    Integration,
    IntegrationId,
    IntegrationType,
    Pause,
    ReceiverTls,
    reference_taken,
)
from riskrelay.core.keys import Algorithm
from riskrelay.storage.tables import integrations

INTEGRATION_COLUMNS = (
    integrations.c.account_id,
    integrations.c.integration_id,
    integrations.c.integration_type,
    integrations.c.reference_id,
    integrations.c.tenant_url,
    integrations.c.active,
    integrations.c.public_origin,
    integrations.c.created_at,
    integrations.c.signing_algorithm,
    integrations.c.paused_at,
    integrations.c.pause_reason,
    integrations.c.pushes_per_second,
    integrations.c.concurrency,
    integrations.c.coalesces_level_changes,
    integrations.c.trusted_ca,
    integrations.c.client_certificate,
    integrations.c.sealed_client_key,
)
_NO_TLS = ReceiverTls(trusted_ca=None, certificate=None, sealed_key=None)


def integration_from(row: Row[*tuple[Any, ...]]) -> Integration:
    """Read an integration from a row that has INTEGRATION_COLUMNS."""
    tls = ReceiverTls(trusted_ca=row.trusted_ca, certificate=row.client_certificate, sealed_key=row.sealed_client_key)
    return Integration(
        account_id=row.account_id,
        integration_id=row.integration_id,
        integration_type=IntegrationType(row.integration_type),
        reference_id=row.reference_id,
        tenant_url=row.tenant_url,
        active=row.active,
        public_origin=row.public_origin,
        created_at=row.created_at,
        signing_algorithm=Algorithm(row.signing_algorithm),
        pause=None if row.paused_at is None else Pause(row.paused_at, row.pause_reason),
        limits=DeliveryLimits(row.pushes_per_second, row.concurrency, row.coalesces_level_changes),
        tls=None if tls == _NO_TLS else tls,
    )


def _tls_columns(tls: ReceiverTls | None) -> dict[str, object]:
    return {
        "trusted_ca": None if tls is None else tls.trusted_ca,
        "client_certificate": None if tls is None else tls.certificate,
        "sealed_client_key": None if tls is None else tls.sealed_key,
    }


def find_integration(connection: Connection, integration_id: IntegrationId) -> Integration | None:
    """Return an integration of any account, by the id in its well-known URL."""
    query = select(*INTEGRATION_COLUMNS).where(
        integrations.c.integration_id == integration_id, integrations.c.deleted_at.is_(None)
    )
    row = connection.execute(query).first()
    return None if row is None else integration_from(row)


class IntegrationRows:
    """Implements ports.Integrations."""

    def __init__(self, connection: Connection, account_id: AccountId, *, locking: bool) -> None:
        self._connection = connection
        self._account_id = account_id
        self._locking = locking

    @cached_property
    def _mine(self) -> ColumnElement[bool]:
        return (integrations.c.account_id == self._account_id) & integrations.c.deleted_at.is_(None)

    def add(self, integration: Integration) -> None:
        last = select(func.coalesce(func.max(integrations.c.position), 0) + 1).where(
            integrations.c.account_id == self._account_id
        )
        self._connection.execute(
            insert(integrations).values(
                account_id=self._account_id,
                integration_id=integration.integration_id,
                integration_type=integration.integration_type.value,
                reference_id=integration.reference_id,
                tenant_url=integration.tenant_url,
                active=integration.active,
                public_origin=integration.public_origin,
                created_at=integration.created_at,
                signing_algorithm=integration.signing_algorithm.value,
                pushes_per_second=integration.limits.pushes_per_second,
                concurrency=integration.limits.concurrency,
                coalesces_level_changes=integration.limits.coalesces_level_changes,
                position=last.scalar_subquery(),
            )
        )

    def update(self, integration: Integration) -> None:
        self._refuse_taken(integration)
        pause, limits = integration.pause, integration.limits
        self._connection.execute(
            update(integrations)
            .where(self._mine, integrations.c.integration_id == integration.integration_id)
            .values(
                reference_id=integration.reference_id,
                tenant_url=integration.tenant_url,
                active=integration.active,
                signing_algorithm=integration.signing_algorithm.value,
                paused_at=None if pause is None else pause.since,
                pause_reason=None if pause is None else pause.reason,
                pushes_per_second=limits.pushes_per_second,
                concurrency=limits.concurrency,
                coalesces_level_changes=limits.coalesces_level_changes,
                **_tls_columns(integration.tls),
            )
        )

    def delete(self, integration_id: IntegrationId, at: datetime) -> None:
        self._connection.execute(
            update(integrations)
            .where(self._mine, integrations.c.integration_id == integration_id)
            .values(deleted_at=at, active=False, **_tls_columns(None))
        )

    def get(self, integration_id: IntegrationId) -> Integration | None:
        query = select(*INTEGRATION_COLUMNS).where(self._mine, integrations.c.integration_id == integration_id)
        row = self._connection.execute(query.with_for_update() if self._locking else query).first()
        return None if row is None else integration_from(row)

    def by_reference(self, reference_id: str) -> Integration | None:
        query = select(*INTEGRATION_COLUMNS).where(self._mine, integrations.c.reference_id == reference_id)
        row = self._connection.execute(query).first()
        return None if row is None else integration_from(row)

    def all(self) -> list[Integration]:
        query = select(*INTEGRATION_COLUMNS).where(self._mine).order_by(integrations.c.position)
        return [integration_from(row) for row in self._connection.execute(query)]

    def _refuse_taken(self, integration: Integration) -> None:
        holder = self.by_reference(integration.reference_id)
        if holder is not None and holder.integration_id != integration.integration_id:
            raise reference_taken(holder.integration_id)
