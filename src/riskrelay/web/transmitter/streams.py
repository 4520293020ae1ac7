"""Stream management: the endpoints that receivers call. Rule: SSF 1.0 §8.1; RFC 8936."""

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.notification_channels import Notifying
from riskrelay.actions.poll_stream import Polling
from riskrelay.actions.record_signals import Signals
from riskrelay.actions.streams import (
    Apply,
    configure_stream,
    create_stream,
    delete_stream,
    set_stream_status,
    visit_stream,
)
from riskrelay.core.keys import Keyring
from riskrelay.core.ssf.access import Receiver, ReceiverScope
from riskrelay.core.ssf.stream_documents import PushRules, document, patched, replaced
from riskrelay.core.ssf.streams import Stream, StreamId, stream_row
from riskrelay.ports import Proofs, Services, Targets, TlsMaterials, Vault
from riskrelay.web.transmitter.auth import receiver_of
from riskrelay.web.transmitter.bodies import read_object, status_of, stream_id_of, stream_id_of_query

NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmitting:
    """The dependencies of the transmitter, the account API and the console besides `Services`."""

    polling: Polling
    vault: Vault
    targets: Targets
    notifying: Notifying
    keyring: Keyring
    materials: TlsMaterials
    proofs: Proofs
    signals: Signals


class StreamRoutes:
    """The handlers of the configuration endpoint and the status endpoint."""

    def __init__(self, services: Services, transmitting: Transmitting) -> None:
        self._services = services
        self._vault = transmitting.vault
        self._targets = transmitting.targets

    async def create(self, request: Request) -> Response:
        """201 with the new stream. Rule: SSF 1.0 §8.1.1.1."""
        receiver = await receiver_of(request, self._services, ReceiverScope.MANAGE)
        body = await read_object(request)
        stream_id = StreamId(self._services.ids.uuid())
        rules = self._rules(receiver, stream_id)
        stream = await create_stream(self._services, receiver, body, rules, stream_id=stream_id)
        return _json(self._document(receiver, stream), 201)

    async def read(self, request: Request) -> Response:
        """Return the stream that the query names, or all streams of the receiver. Rule: SSF 1.0 §8.1.1.2."""
        receiver = await receiver_of(request, self._services, ReceiverScope.READ)
        if "stream_id" in request.query_params:
            stream = await visit_stream(self._services, receiver, stream_id_of_query(request))
            return _json(self._document(receiver, stream))
        found = await self._services.store.read(
            receiver.account_id, lambda tx: tx.streams.of_integration(receiver.integration_id)
        )
        return _json([self._document(receiver, stream) for stream in found if not stream.is_implicit])

    async def update(self, request: Request) -> Response:
        """Update a stream. Rule: SSF 1.0 §8.1.1.3."""
        return await self._change(request, patched)

    async def replace(self, request: Request) -> Response:
        """Replace a stream's configuration. Rule: SSF 1.0 §8.1.1.4."""
        return await self._change(request, replaced)

    async def _change(self, request: Request, apply: Apply) -> Response:
        receiver = await receiver_of(request, self._services, ReceiverScope.MANAGE)
        body = await read_object(request)
        stream_id = stream_id_of(body)
        rules = self._rules(receiver, stream_id)
        stream = await configure_stream(self._services, receiver, stream_id, body, rules=rules, apply=apply)
        return _json(self._document(receiver, stream))

    async def delete(self, request: Request) -> Response:
        """Delete a stream. Rule: SSF 1.0 §8.1.1.5."""
        receiver = await receiver_of(request, self._services, ReceiverScope.MANAGE)
        await delete_stream(self._services, receiver, stream_id_of_query(request))
        return Response(status_code=204, headers=NO_STORE)

    async def read_status(self, request: Request) -> Response:
        """Return a stream's status. Rule: SSF 1.0 §8.1.2.1."""
        receiver = await receiver_of(request, self._services, ReceiverScope.READ)
        return _json(_status(await visit_stream(self._services, receiver, stream_id_of_query(request))))

    async def update_status(self, request: Request) -> Response:
        """Change a stream's status. Rule: SSF 1.0 §8.1.2.2."""
        receiver = await receiver_of(request, self._services, ReceiverScope.MANAGE)
        body = await read_object(request)
        stream_id, (status, reason) = stream_id_of(body), status_of(body)
        return _json(_status(await set_stream_status(self._services, receiver, stream_id, status, reason=reason)))

    def _document(self, receiver: Receiver, stream: Stream) -> dict[str, Any]:
        """Return the stream's document. A token that may only read never gets the authorization header: a secret."""
        if ReceiverScope.MANAGE not in receiver.scopes:
            return document(stream, None)
        return document(stream, lambda sealed: self._vault.open(sealed, stream.row))

    def _rules(self, receiver: Receiver, stream_id: StreamId) -> PushRules:
        """Return the rules of a push endpoint; an authorization header is sealed for the stream's row."""
        row = stream_row(receiver.account_id, stream_id)
        return PushRules(self._targets.problem, lambda secret: self._vault.seal(secret, row))


def _status(stream: Stream) -> dict[str, Any]:
    status, reason = stream.effective_status
    shown = {"stream_id": stream.stream_id, "status": status.value}
    return shown if reason is None else {**shown, "reason": reason}


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, NO_STORE, media_type="application/json")
