"""Findings in: one, an array, or NDJSON."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.record_findings import record_findings
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Invalid
from riskrelay.core.risk.findings import Finding
from riskrelay.ports import Outside
from riskrelay.web.account_api.batches import ItemId, Timestamp, UserBody, read_batch, rendered_change
from riskrelay.web.account_api.bodies import BehaviorName, parse
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.plain_findings import finding_of, read_plainly
from riskrelay.web.auth import caller_of


class FindingBody(BaseModel):
    """A finding; other members are ignored."""

    behavior: BehaviorName
    user: UserBody
    timestamp: Timestamp | None = None
    id: ItemId | None = None
    details: dict[str, Any] | None = None


_ADAPTER = TypeAdapter(FindingBody)


class FindingRoutes:
    """The handler of findings."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def record(self, request: Request) -> Response:
        caller = await caller_of(request, self._outside, Scope.INGEST)
        batch = await read_batch(request, _read_one, "findings")
        try:
            recorded = await record_findings(self._outside, caller.account_id, batch.items)
        except Invalid as error:
            raise batch.located(error) from None
        return success(
            {
                "accepted": recorded.accepted,
                "duplicates": recorded.duplicates,
                "ignored": recorded.ignored,
                "changes": [rendered_change(change) for change in recorded.changes],
            }
        )


def _read_one(written: bytes, prefix: Sequence[int]) -> Finding:
    plain = read_plainly(written)
    return read_closely(written, prefix) if plain is None else plain


def read_closely(written: bytes, prefix: Sequence[int]) -> Finding:
    """Any finding.

    Raises: Invalid: one fault per mistake, all at once; *prefix* comes before every pointer.
    """
    body = parse(_ADAPTER, written, prefix)
    return finding_of(body.id, body.behavior, body.user.reference(), body.timestamp, body.details)
