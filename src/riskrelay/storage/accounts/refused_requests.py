"""Rejected requests of receivers, by account: at most one row for each operation of an integration."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, select, true

from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.refused_requests import ReceiverOperation, RefusedRequest
from riskrelay.storage.statements import Insert, PerEngine
from riskrelay.storage.tables import refused_requests

_VALUES = ("status", "error", "message", "refused_at")


def _upsert(inserting: Insert) -> Insert:
    return inserting.on_conflict_do_update(
        index_elements=list(refused_requests.primary_key.columns),
        set_={name: inserting.excluded[name] for name in _VALUES},
    )


_SAVE = PerEngine(refused_requests, _upsert)


class RefusedRequestRows:
    """Implements ports.RefusedRequests."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def save(self, integration_id: IntegrationId, refused: RefusedRequest) -> None:
        self._connection.execute(
            _SAVE.on(self._connection),
            {
                "account_id": self._account_id,
                "integration_id": integration_id,
                "operation": refused.operation.value,
                "status": refused.status,
                "error": refused.error,
                "message": refused.message,
                "refused_at": refused.at,
            },
        )

    def delete(self, integration_id: IntegrationId, operation: ReceiverOperation) -> None:
        self._connection.execute(
            delete(refused_requests).where(
                refused_requests.c.account_id == self._account_id,
                refused_requests.c.integration_id == integration_id,
                refused_requests.c.operation == operation.value,
            )
        )

    def by_integration(self, integration_id: IntegrationId | None) -> Mapping[IntegrationId, Sequence[RefusedRequest]]:
        mine = true() if integration_id is None else refused_requests.c.integration_id == integration_id
        query = (
            select(refused_requests)
            .where(refused_requests.c.account_id == self._account_id, mine)
            .order_by(refused_requests.c.refused_at.desc(), refused_requests.c.operation)
        )
        found: dict[IntegrationId, list[RefusedRequest]] = defaultdict(list)
        for row in self._connection.execute(query):
            found[IntegrationId(row.integration_id)].append(
                RefusedRequest(
                    operation=ReceiverOperation(row.operation),
                    status=row.status,
                    error=row.error,
                    message=row.message,
                    at=row.refused_at,
                )
            )
        return found
