"""One integration: its health, the reason, and the actions."""

from collections.abc import Sequence
from datetime import timedelta

from starlette.responses import Response

from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.actions.verification import verify_integration
from riskrelay.core.delivery.health import StreamHealth, what_next, why
from riskrelay.core.delivery.target_warnings import target_warnings
from riskrelay.core.integrations import Integration
from riskrelay.core.ssf.refused_requests import sentence
from riskrelay.ports import Sent, Services, Targets, Transaction
from riskrelay.web.account_api.delivery_control import PauseBody
from riskrelay.web.console.forms import read_fields
from riskrelay.web.console.named import find_integration, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_LATEST = 8


class IntegrationScreen:
    """The handlers of an integration's own page.

    Args:
        targets: the rules about where may be pushed to.
        retention: how long undelivered events are kept.
    """

    def __init__(self, services: Services, pages: Pages, targets: Targets, retention: timedelta) -> None:
        self._services = services
        self._targets = targets
        self._pages = pages
        self._retention = retention

    async def show(self, visit: Visit) -> Response:
        """Health, stream by stream, and the newest deliveries."""
        integration_id = integration_id_of(visit)

        def read(tx: Transaction) -> tuple[Integration, Sequence[StreamHealth], Sequence[Sent], list[str]]:
            integration = find_integration(tx, integration_id)
            latest = tx.delivery_views.with_claims(tx.delivery_views.page(integration_id, None, {}, _LATEST).deliveries)
            refused = tx.refused_requests.by_integration(integration_id).get(integration_id, ())
            return integration, tx.health.streams(integration_id), latest, [sentence(one) for one in refused]

        integration, streams, latest, refused = await self._services.store.read(visit.account, read)
        shown = [
            (health, why(health, may_see_subjects=visit.may_see_subjects), what_next(health, self._retention))
            for health in streams
        ]
        found = {
            "integration": integration,
            "streams": shown,
            "latest": latest,
            "refused": refused,
            "warnings": target_warnings(integration, [health.stream for health in streams], self._targets.problem),
        }
        return self._pages.page(visit, "integration.html", **found)

    async def pause(self, visit: Visit) -> Response:
        """Pause delivery until it is resumed."""
        body = read_fields(PauseBody, {"reason": visit.form.get("reason", "").strip()})
        await pause_integration(
            self._services, visit.account, visit.actor, integration_id_of(visit), reason=body.reason
        )
        return self._back(visit, "paused")

    async def resume(self, visit: Visit) -> Response:
        """Resume delivery."""
        await resume_integration(self._services, visit.account, visit.actor, integration_id_of(visit))
        return self._back(visit, "resumed")

    async def verify(self, visit: Visit) -> Response:
        """Send a verification event, and show its delivery if the form requests that."""
        queued = await verify_integration(
            self._services, visit.account, visit.actor, integration_id_of(visit), state=None
        )
        done = "test-sent" if queued else "no-stream"
        if visit.form.get("from") == "setup":
            return self._pages.see(_path(visit, "setup"), done=done)
        return self._back(visit, done)

    def _back(self, visit: Visit, done: str) -> Response:
        return self._pages.see(_path(visit), done=done)


def _path(visit: Visit, *parts: str) -> str:
    return account_path(visit.account, "integrations", integration_id_of(visit), *parts)
