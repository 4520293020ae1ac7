"""The subjects, verification events and polls of a stream. Rule: SSF 1.0 §8.1.3, §8.1.4; RFC 8936."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.poll_stream import poll_stream
from riskrelay.actions.stream_subjects import add_subject, remove_subject
from riskrelay.actions.verification import verify_stream
from riskrelay.core.ssf.access import ReceiverScope
from riskrelay.ports import Services
from riskrelay.web.connected import while_connected
from riskrelay.web.transmitter.auth import receiver_of
from riskrelay.web.transmitter.bodies import poll_of, read_object, read_poll, state_of, stream_id_of, subject_of
from riskrelay.web.transmitter.streams import NO_STORE, Transmitting


class StreamEventRoutes:
    """The handlers of the subject endpoints, the verification endpoint, and the endpoints that are polled."""

    def __init__(self, services: Services, transmitting: Transmitting) -> None:
        self._services = services
        self._polling = transmitting.polling

    async def add_subject(self, request: Request) -> Response:
        """200 without a body, known subject or not. Rule: SSF 1.0 §8.1.3.2, §9.1."""
        receiver = await receiver_of(request, self._services, ReceiverScope.MANAGE)
        body = await read_object(request)
        await add_subject(self._services, receiver, stream_id_of(body), subject_of(body))
        return Response(status_code=200, headers=NO_STORE)

    async def remove_subject(self, request: Request) -> Response:
        """204, known subject or not. Rule: SSF 1.0 §8.1.3.3, §9.1."""
        receiver = await receiver_of(request, self._services, ReceiverScope.MANAGE)
        body = await read_object(request)
        await remove_subject(self._services, receiver, stream_id_of(body), subject_of(body))
        return Response(status_code=204, headers=NO_STORE)

    async def verify(self, request: Request) -> Response:
        """204; the event follows. Rule: SSF 1.0 §8.1.4.2."""
        receiver = await receiver_of(request, self._services, ReceiverScope.MANAGE)
        body = await read_object(request)
        await verify_stream(self._services, receiver, stream_id_of(body), state_of(body))
        return Response(status_code=204, headers=NO_STORE)

    async def poll(self, request: Request) -> Response:
        """Answer a poll. Rule: RFC 8936 §2.2 to §2.4."""
        receiver = await receiver_of(request, self._services, ReceiverScope.MANAGE)
        asked = poll_of(await read_poll(request))
        stream_id = stream_id_of(request.path_params)
        answer = await while_connected(
            request, poll_stream(self._services, self._polling, receiver, stream_id, request=asked)
        )
        if answer is None:
            return Response()  # the receiver has disconnected
        sets = {jti: token.decode() for jti, token in answer.sets.items()}
        body: dict[str, Any] = {"sets": sets}
        if answer.more_available:  # omitted if false (RFC 8936 §2.3): caep.dev's library cannot decode false
            body["moreAvailable"] = True
        return Response(msgspec.json.encode(body), 200, NO_STORE, media_type="application/json")
