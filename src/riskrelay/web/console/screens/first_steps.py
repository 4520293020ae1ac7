"""The first steps: enable a behavior, send a test finding, dismiss the list. Other steps are forms of their pages."""

from dataclasses import replace

from starlette.responses import Response

from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.record_findings import record_findings
from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.attempts import DeliveryState
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.risk.behaviors import BehaviorId, behaviors_in_use, settings_with
from riskrelay.ports import Sent, Services, Stock, Transaction
from riskrelay.web.account_api.findings import FindingBody
from riskrelay.web.account_api.known_behaviors import known_behaviors
from riskrelay.web.account_api.plain_findings import finding_of
from riskrelay.web.console.checklist import Step, steps_of
from riskrelay.web.console.effects import Settings
from riskrelay.web.console.forms import read_fields
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

DISMISSED = "riskrelay-first-steps"
_YEAR_SECONDS = 31_536_000


class FirstStepScreens:
    """The handlers of the first steps, which the overview shows."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def enable(self, visit: Visit) -> Response:
        """Enable one behavior at its current risk level."""
        settings = await self._services.store.read(visit.account, lambda tx: settings_with(tx.behaviors.stored()))
        behavior = BehaviorId(visit.form.get("behavior", ""))
        if behavior not in behaviors_in_use(settings):
            raise Invalid([Fault(FaultKind.UNKNOWN_BEHAVIOR, "", "choose a behavior of the list")])
        enabled = {behavior: replace(settings[behavior], enabled=True)}
        await set_behaviors(self._services, visit.account, visit.actor, enabled)
        return self._pages.see(account_path(visit.account), done="behavior-enabled")

    async def send(self, visit: Visit) -> Response:
        """Record a finding that says that it is a test."""
        visit.session.token.require(visit.account, Scope.INGEST)
        known = known_behaviors(self._services, visit.account)
        await known.complete()
        fields = {
            "behavior": visit.form.get("behavior", ""),
            "user": {"email": visit.form.get("email", "").strip()},
            "details": {"test": True, "sent_by": visit.session.token.name},
        }
        body = read_fields(FindingBody, fields, known)
        finding = finding_of(None, body.behavior, body.user.reference(), None, details=body.details)
        await record_findings(self._services, visit.account, [finding])
        return self._pages.see(account_path(visit.account), done="finding-sent")

    async def dismiss(self, visit: Visit) -> Response:
        """Hide the list in this browser."""
        path = account_path(visit.account)
        response = self._pages.see(path)
        response.set_cookie(DISMISSED, "dismissed", max_age=_YEAR_SECONDS, path=path, httponly=True, samesite="strict")
        return response


def first_steps(tx: Transaction, settings: Settings, stock: Stock | None) -> tuple[list[Step], Sent | None]:
    """Return the first steps of an account, and the latest event that was queued.

    Args:
        stock: the latest counts. If they have a receipt and all else is done, no event is looked for.
    """
    is_done = {
        "has_integration": bool(tx.integrations.all()),
        "has_behavior": any(one.enabled for one in settings.values()),
        "has_source": tx.sources.count() > 0,
        "has_finding": bool(tx.user_views.by_email("", None, 1)),
    }
    if all(is_done.values()) and stock is not None and stock.ledger.delivered:
        return steps_of(**is_done, has_receipt=True), None
    taken = tx.delivery_views.latest(None, DeliveryState.DELIVERED, 1)
    latest = taken or tx.delivery_views.latest(None, None, 1)
    return steps_of(**is_done, has_receipt=bool(taken)), next(iter(latest), None)
