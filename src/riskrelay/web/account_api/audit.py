"""The audit log over the API: an account's and the installation's."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.core.audit import AuditEntry, Kind
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.ports import AuditPlace, Services
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.paging import cursor_of, read_cursor
from riskrelay.web.auth import caller_of, token_of

PAGE = 100

_CURSOR: msgspec.json.Decoder[AuditPlace] = msgspec.json.Decoder(
    tuple[Annotated[datetime, msgspec.Meta(tz=True)], Annotated[str, msgspec.Meta(pattern="^[0-9a-f-]{36}$")]]
)


class AuditRoutes:
    """The handlers of the audit log."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_page(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.OPERATE)
        return await self._page(caller.account_id, request.query_params)

    async def list_page_of_installation(self, request: Request) -> Response:
        token = await token_of(request, self._services)
        token.require(None, Scope.OPERATE)
        return await self._page(None, request.query_params)

    async def _page(self, owner: AccountId | None, query: QueryParams) -> Response:
        kind, after = _read_kind(query.get("kind")), read_cursor(query, _CURSOR)
        found = await self._services.store.read_installation(lambda tx: tx.audit_of(owner).page(kind, after, PAGE + 1))
        page = found[:PAGE]
        cursor = cursor_of((page[-1].at, page[-1].entry_id)) if len(found) > PAGE else None
        return success([_rendered(entry) for entry in page], {"cursor": cursor, "count": len(page)})


def _read_kind(text: str | None) -> Kind | None:
    if text is None:
        return None
    try:
        return Kind(text)
    except ValueError:
        message = f"kind: must be one of {', '.join(Kind)}"
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)]) from None


def _rendered(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.entry_id,
        "at": entry.at.isoformat().replace("+00:00", "Z"),
        "actor": {"token_id": entry.actor.token_id, "name": entry.actor.name, "address": entry.actor.address},
        "verb": entry.verb.value,
        "kind": entry.kind.value,
        "thing_id": entry.thing_id,
        "note": entry.note,
    }
