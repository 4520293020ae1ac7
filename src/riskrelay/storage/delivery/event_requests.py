"""Security events that clients queued under their own id, by account."""

import msgspec
from sqlalchemy import Connection, bindparam, select

from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.event_requests import AnsweredRequest, EventRequestId, QueuedDelivery
from riskrelay.storage.statements import PerEngine
from riskrelay.storage.tables import event_requests

_ADD = PerEngine(
    event_requests,
    lambda insert: insert.on_conflict_do_nothing(
        index_elements=[event_requests.c.account_id, event_requests.c.request_id]
    ),
)
_STORED = select(event_requests).where(
    event_requests.c.account_id == bindparam("account"), event_requests.c.request_id == bindparam("request")
)


class EventRequestRows:
    """Implements ports.EventRequests."""

    def __init__(self, connection: Connection, account_id: AccountId) -> None:
        self._connection = connection
        self._account_id = account_id

    def add(self, request_id: EventRequestId, answer: AnsweredRequest) -> AnsweredRequest:
        row = {
            "account_id": self._account_id,
            "request_id": request_id,
            "digest": answer.digest,
            "txn": answer.txn,
            "deliveries": msgspec.json.encode(answer.deliveries).decode(),
            "requested_at": answer.requested_at,
        }
        self._connection.execute(_ADD.on(self._connection), row)
        stored = self._connection.execute(_STORED, {"account": self._account_id, "request": request_id}).one()
        deliveries = msgspec.json.decode(stored.deliveries, type=tuple[QueuedDelivery, ...])
        return AnsweredRequest(
            txn=stored.txn, deliveries=deliveries, digest=stored.digest, requested_at=stored.requested_at
        )
