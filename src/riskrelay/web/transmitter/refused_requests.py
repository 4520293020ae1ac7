"""Record refused requests of receivers: a count, a line in the log, and a row for the health page."""

import dataclasses
from collections import OrderedDict
from itertools import takewhile
from typing import Any

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.core.errors import Invalid, RiskrelayError, Unavailable
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.rate_limits import Bucket, RateLimit, spend
from riskrelay.core.ssf.refused_requests import MAX_MESSAGE_CHARACTERS, ReceiverOperation, RefusedRequest
from riskrelay.core.ssf.subjects import MEMBER_NAMES
from riskrelay.ports import Services
from riskrelay.web.paths import Handler
from riskrelay.web.transmitter import refusals

# guessed: enough for all mistakes while a receiver is set up, too few to fill a disk or to load a database
_NOTED = RateLimit(quota=60, window_seconds=60)
_REMEMBERED = 4_096  # guessed: as many operations of receivers that were refused and have not succeeded since
_MAX_ERROR_CHARACTERS = 64
_MAX_ID_CHARACTERS = 36

_log = structlog.get_logger()


class RefusedRequests:
    """Counts all refusals, and logs and stores a limited number per minute, of all receivers together.

    Requests without a valid token have their own limit, so that strangers do not hide refusals of receivers. One row is
    stored for each operation of an integration. The operation's next success deletes it.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._buckets: dict[bool, Bucket | None] = {True: None, False: None}
        self._left_out = 0
        self._stored: OrderedDict[tuple[IntegrationId, ReceiverOperation], None] = OrderedDict()

    def watched(self, operation: ReceiverOperation, handler: Handler) -> Handler:
        """Wrap *handler*, so that its refusals are noted."""

        async def handle(request: Request) -> Response:
            try:
                response = await handler(request)
            except (RiskrelayError, refusals.BearerRefusal) as error:
                await self.note(request, operation, refusals.answer(without_names(error)))
                raise
            await self.note(request, operation, response)
            return response

        return handle

    async def note(self, request: Request, operation: ReceiverOperation, answer: Response) -> None:
        """Note the result of a receiver's request."""
        integration_id = _integration_of(request)
        if 200 <= answer.status_code < 300:
            await self._succeeded(integration_id, operation)
        elif 400 <= answer.status_code < 500:
            await self._refused(integration_id, operation, answer)

    async def _succeeded(self, integration_id: IntegrationId, operation: ReceiverOperation) -> None:
        # A create is rare. For the others, only rows that this process has stored are deleted, so that a poll costs no
        # query.
        is_stored = (integration_id, operation) in self._stored
        if is_stored or operation is ReceiverOperation.CREATE:
            self._stored.pop((integration_id, operation), None)
            await self._write(integration_id, operation, None)

    async def _refused(self, integration_id: IntegrationId, operation: ReceiverOperation, answer: Response) -> None:
        said = _said(answer)
        error = str(said.get("error", "none"))[:_MAX_ERROR_CHARACTERS]
        self._services.metrics.count_receiver_refusal(operation.value, error)
        is_stranger = answer.status_code == 401
        now = int(self._services.clock.monotonic() * 1_000_000)
        self._buckets[is_stranger], allowance = spend(self._buckets[is_stranger], _NOTED, now)
        if allowance.wait_seconds is not None:
            self._left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        refused = RefusedRequest(
            operation=operation,
            status=answer.status_code,
            error=error,
            message=str(said.get("error_description", ""))[:MAX_MESSAGE_CHARACTERS],
            at=self._services.clock.now(),
        )
        is_known = await self._write(integration_id, operation, refused)
        # The message is not logged: it may contain a value from the receiver, such as a subject.
        _log.info(
            "receiver_refused",
            integration_id=integration_id if is_known else None,
            operation=operation.value,
            status=refused.status,
            error=error,
            left_out=left_out,
        )

    async def _write(
        self, integration_id: IntegrationId, operation: ReceiverOperation, refused: RefusedRequest | None
    ) -> bool:
        """Store or delete a refused request. The response to the receiver does not depend on this.

        Returns: whether the integration exists.
        """
        if not integration_id:
            return False
        store = self._services.store
        try:
            found = await store.read_installation(lambda tx: tx.integration(integration_id))
            if found is None:
                return False
            if refused is None:
                await store.write(found.account_id, lambda tx: tx.refused_requests.delete(integration_id, operation))
                return True
            await store.write(found.account_id, lambda tx: tx.refused_requests.save(integration_id, refused))
        except Unavailable:
            return False
        self._stored[integration_id, operation] = None
        if len(self._stored) > _REMEMBERED:
            self._stored.popitem(last=False)
        return True


def _integration_of(request: Request) -> IntegrationId:
    """Return the id in the path, known or not; empty if it cannot be an id."""
    named = request.path_params.get("integration_id")
    parts = request.url.path.split("/")
    text = str(named) if named is not None else (parts[2] if len(parts) > 2 else "")
    return IntegrationId(text if text.isascii() and "\0" not in text and len(text) <= _MAX_ID_CHARACTERS else "")


def _said(answer: Response) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def without_names(error: Exception) -> Exception:
    """Return *error* without unknown member names in the subject, because they may name a user.

    Args:
        error: the error of the refused request. The response to the receiver names all members.

    Returns: the error. Faults in the subject point to the innermost member with a known name.
    """
    if not isinstance(error, Invalid):
        return error
    faults = [dataclasses.replace(fault, pointer=_known_part(fault.pointer)) for fault in error.faults]
    return Invalid(faults, error.more)


def _known_part(pointer: str) -> str:
    """
    >>> _known_part("/subject/user/kai@example.com/format"), _known_part("/delivery/method")
    ('/subject/user', '/delivery/method')
    """
    if not pointer.startswith("/subject/"):
        return pointer
    names = pointer.split("/")[2:]
    known = takewhile(lambda name: name in MEMBER_NAMES or (name.isdecimal() and len(name) < 4), names)
    return "/".join(["/subject", *known])
