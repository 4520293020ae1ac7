"""The audit log over the API: an account's and the installation's."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Annotated, Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.audit import AuditEntry, Kind
from riskrelay.credentials import Scope
from riskrelay.errors import Fault, FaultKind, Invalid
from riskrelay.integrations import AccountId
from riskrelay.ports import AuditPlace, Outside
from riskrelay.web.account_api.envelope import success
from riskrelay.web.auth import caller_of, token_of

PAGE = 100

_Place = tuple[Annotated[datetime, msgspec.Meta(tz=True)], Annotated[str, msgspec.Meta(pattern="^[0-9a-f-]{36}$")]]


class AuditRoutes:
    """The handlers of the audit log."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def list_page(self, request: Request) -> Response:
        caller = await caller_of(request, self._outside, Scope.OPERATE)
        return await self._page(caller.account_id, request.query_params)

    async def list_page_of_installation(self, request: Request) -> Response:
        token = await token_of(request, self._outside)
        token.require(None, Scope.OPERATE)
        return await self._page(None, request.query_params)

    async def _page(self, owner: AccountId | None, query: QueryParams) -> Response:
        kind, after = _read_kind(query.get("kind")), _read_cursor(query.get("cursor"))
        found = await self._outside.store.read_installation(lambda tx: tx.audit_of(owner).page(kind, after, PAGE + 1))
        page = found[:PAGE]
        cursor = _cursor(page[-1]) if len(found) > PAGE else None
        return success([_rendered(entry) for entry in page], {"cursor": cursor, "count": len(page)})


def _read_kind(text: str | None) -> Kind | None:
    if not text:
        return None
    try:
        return Kind(text)
    except ValueError:
        message = f"kind must be one of {', '.join(Kind)}"
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)]) from None


def _read_cursor(text: str | None) -> AuditPlace | None:
    if not text:
        return None
    try:
        place: AuditPlace = msgspec.json.decode(urlsafe_b64decode(text), type=_Place)
    except (ValueError, msgspec.DecodeError):
        message = "cursor must be the one that the answer before gave in result_info; leave it out to start"
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)]) from None
    return place


def _cursor(last: AuditEntry) -> str:
    return urlsafe_b64encode(msgspec.json.encode((last.at, last.entry_id))).decode()


def _rendered(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.entry_id,
        "at": entry.at.isoformat().replace("+00:00", "Z"),
        "actor": {"token_id": entry.actor.token_id, "name": entry.actor.name, "address": entry.actor.address},
        "verb": entry.verb.value,
        "kind": entry.kind.value,
        "thing_id": entry.thing_id,
    }
