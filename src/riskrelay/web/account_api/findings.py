"""Findings in: one, an array, or NDJSON."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.record_findings import record_findings
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import FaultKind, Invalid
from riskrelay.core.risk.findings import MAX_DETAILS_BYTES, Finding
from riskrelay.ports import Services
from riskrelay.web.account_api import model_errors
from riskrelay.web.account_api.batches import ItemId, UserBody, read_batch, rendered_changes
from riskrelay.web.account_api.bodies import Reading, parse
from riskrelay.web.account_api.known_behaviors import BehaviorName, known_behaviors
from riskrelay.web.account_api.plain_findings import finding_of, read_plainly
from riskrelay.web.account_api.timestamps import Timestamp
from riskrelay.web.auth import caller_of, confirming


def _bounded(details: dict[str, Any]) -> dict[str, Any]:
    size = len(msgspec.json.encode(details))
    if size > MAX_DETAILS_BYTES:
        message = f"must not have more than {MAX_DETAILS_BYTES:,} bytes as compact JSON; it has {size:,}"
        raise model_errors.custom(FaultKind.TOO_LONG, message)
    return details


class FindingBody(BaseModel):
    """A finding; other members are ignored, and noted in the answer."""

    behavior: BehaviorName
    user: UserBody
    timestamp: Timestamp | None = None
    id: ItemId | None = None
    details: Annotated[dict[str, Any], AfterValidator(_bounded)] | None = None


_ADAPTER = TypeAdapter(FindingBody)


class FindingRoutes:
    """The handler of findings.

    Args:
        docs_base: the origin of the pages that explain the codes.
    """

    def __init__(self, services: Services, docs_base: str) -> None:
        self._services = services
        self._docs_base = docs_base

    async def record(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.INGEST, confirms=True)
        known = known_behaviors(self._services, caller.account_id, with_retired=True)
        async with confirming(request, self._services, caller):
            batch = await read_batch(request, _read_one, "findings", known)
            try:
                recorded = await record_findings(
                    self._services, caller.account_id, batch.items, unconfirmed=caller.unconfirmed
                )
            except Invalid as error:
                raise batch.located(error) from None

        def result() -> dict[str, Any]:
            return {
                "accepted": recorded.accepted,
                "duplicates": recorded.duplicates,
                "ignored": recorded.ignored,
                "changes": rendered_changes(recorded.changes),
            }

        return await batch.success(result, self._docs_base)


def _read_one(written: bytes, prefix: Sequence[int], reading: Reading) -> Finding:
    plain = read_plainly(written, reading.known.names)
    return read_closely(written, prefix, reading) if plain is None else plain


def read_closely(written: bytes, prefix: Sequence[int], reading: Reading) -> Finding:
    """Read any finding with the models.

    Raises:
        Invalid: one fault per mistake, all at once; each pointer starts with *prefix*.
        OwnBehaviorsNeeded: only if the known behaviors are not complete.
    """
    body = parse(_ADAPTER, written, prefix, reading)
    return finding_of(body.id, body.behavior, body.user.reference(), body.timestamp, details=body.details)
