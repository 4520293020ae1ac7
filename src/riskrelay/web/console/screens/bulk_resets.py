"""Bulk resets: preview, start, and progress."""

from collections.abc import Mapping, Sequence

from starlette.responses import Response

from riskrelay.actions.bulk_resets import control_bulk_reset, start_bulk_reset
from riskrelay.actions.users import MAX_REASON_CHARACTERS
from riskrelay.core.email_addresses import email_key
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import settings_with
from riskrelay.core.risk.bulk_resets import BulkReset, BulkResetFilter, BulkResetId
from riskrelay.core.risk.findings import UserRef
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Services, Transaction
from riskrelay.web.account_api.bulk_resets import UserFilterBody, filter_of, preview
from riskrelay.web.account_api.users import ResetBody
from riskrelay.web.console.effects import Settings
from riskrelay.web.console.forms import problems_of, read_fields, utc_field
from riskrelay.web.console.jobs import wanted_status
from riskrelay.web.console.named import id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_SHOWN = 20
_FIELDS = ("level", "behavior", "last_event_from", "last_event_to", "users")

_Preview = tuple[int, list[Standing]]


class BulkResetScreens:
    """The handlers of bulk resets."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the step of the wizard that the URL says, and the bulk resets.

        The steps are the form, the preview of a filter, and the progress of a bulk reset.
        """
        fields = {name: visit.query.get(name, "").strip() for name in _FIELDS}
        problems: Mapping[str, str] = {}
        wanted: BulkResetFilter | None = None
        try:
            wanted = await self._wanted(visit, fields) if any(fields.values()) and "edit" not in visit.query else None
        except Invalid as error:
            problems = problems_of(error)

        def read(tx: Transaction) -> tuple[list[BulkReset], _Preview | None, Settings]:
            found = None if wanted is None else preview(tx, wanted)
            return tx.bulk_resets.all(_SHOWN), found, settings_with(tx.behaviors.stored())

        resets, matching, settings = await self._services.store.read(visit.account, read)
        job = next((one for one in resets if one.reset_id == visit.query.get("job")), None)
        return self._pages.page(
            visit,
            "bulk_resets.html",
            400 if problems else 200,
            resets=[one for one in resets if one is not job],
            job=job,
            preview=matching,
            fields=fields,
            problems=problems,
            settings=settings,
            levels=[level.word for level in reversed(RiskLevel)],
            max_reason=MAX_REASON_CHARACTERS,
        )

    async def start(self, visit: Visit) -> Response:
        """Start the previewed bulk reset."""
        wanted = await self._wanted(visit, {name: visit.form.get(name, "").strip() for name in _FIELDS})
        reason = read_fields(ResetBody, {"reason": " ".join(visit.form.get("reason", "").split())}).reason
        count, _ = await self._services.store.read(visit.account, lambda tx: preview(tx, wanted))
        started = await start_bulk_reset(self._services, visit.account, visit.actor, wanted, reason=reason, total=count)
        return self._pages.see(_path(visit), job=started.reset_id, done="reset-started")

    async def control(self, visit: Visit) -> Response:
        """Pause, resume or cancel a bulk reset."""
        status = wanted_status(visit)
        reset_id = BulkResetId(id_of(visit, "reset_id"))
        await control_bulk_reset(self._services, visit.account, visit.actor, reset_id, status=status)
        return self._pages.see(_path(visit), job=reset_id, done=f"reset-{status.value}")

    async def _wanted(self, visit: Visit, fields: Mapping[str, str]) -> BulkResetFilter:
        """Return the filter of a form.

        Raises: Invalid.
        """
        given: dict[str, object] = dict(fields)
        for name in ("last_event_from", "last_event_to"):
            given[name] = utc_field(name, fields[name])
        given["users"] = await self._user_ids(visit, fields["users"].replace(",", " ").split()) or ""
        return filter_of(read_fields(UserFilterBody, given))

    async def _user_ids(self, visit: Visit, named: Sequence[str]) -> list[str]:
        """Return the ids of users that are named by id, or by address if the visitor may see users.

        Raises: Invalid: no user has one of the addresses.
        """
        emails = [one for one in named if "@" in one] if visit.may_see_subjects else []
        if not emails:
            return list(named)
        references = [UserRef(email) for email in emails]
        users = await self._services.store.read(visit.account, lambda tx: tx.users.find(references))
        unknown = next((email for email in emails if email_key(email) not in users), None)
        if unknown is not None:
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "/users", f"No user has the email address {unknown}")])
        return [users[email_key(one)].user_id if one in emails else one for one in named]


def _path(visit: Visit) -> str:
    return account_path(visit.account, "users", "resets")
