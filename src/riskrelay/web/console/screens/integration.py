"""One integration: its health, the reason, and the actions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from riskrelay.actions.pauses import pause_integration, resume_integration
from riskrelay.actions.verification import verify_integration
from riskrelay.core.delivery.health import StreamHealth, what_next, why
from riskrelay.core.delivery.target_warnings import target_warnings
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.ssf.refused_requests import sentence
from riskrelay.core.ssf.streams import Party
from riskrelay.ports import DeliveryFilter, PastAttempts, Sent, Services, Targets, Transaction
from riskrelay.web.account_api.delivery_control import PauseBody
from riskrelay.web.console.attempt_charts import READ, RESULT_COLUMNS, attempt_charts
from riskrelay.web.console.forms import read_fields
from riskrelay.web.console.named import find_integration, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit
from riskrelay.web.console.windows import WINDOWS

_LATEST = 8
_SHOWING_TESTS = ("deliveries", "setup")  # tabs besides the integration's own page


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The data of one page.

    Attributes:
        refused: sentences about requests of the receiver that were refused.
    """

    integration: Integration
    streams: Sequence[StreamHealth]
    latest: Sequence[Sent]
    attempts: PastAttempts
    refused: Sequence[str]


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
        """Show the health of each stream, charts of the attempts, and the newest deliveries."""
        integration_id = integration_id_of(visit)

        seen = await self._services.store.read(visit.account, lambda tx: _seen(tx, integration_id))
        window = WINDOWS.get(visit.query.get("window", ""), WINDOWS["24h"])
        return self._pages.page(
            visit,
            "integration.html",
            integration=seen.integration,
            streams=[
                (health, why(health, may_see_subjects=visit.may_see_subjects), what_next(health, self._retention))
                for health in seen.streams
            ],
            latest=seen.latest,
            refused=seen.refused,
            warnings=target_warnings(
                seen.integration, [health.stream for health in seen.streams], self._targets.problem
            ),
            window=window,
            windows=list(WINDOWS),
            charts=attempt_charts(seen.attempts, window, self._services.clock.now()),
            result_columns=RESULT_COLUMNS,
            receiver=Party.RECEIVER,
        )

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
        """Send a verification event, and return to a tab that shows its delivery."""
        queued = await verify_integration(
            self._services, visit.account, visit.actor, integration_id_of(visit), state=None
        )
        done = "test-sent" if queued else "no-stream"
        if visit.form.get("from") in _SHOWING_TESTS:
            return self._pages.see(_path(visit, visit.form["from"]), done=done)
        return self._back(visit, done)

    def _back(self, visit: Visit, done: str) -> Response:
        return self._pages.see(_path(visit), done=done)


def _seen(tx: Transaction, integration_id: IntegrationId) -> _Seen:
    """Read the data of the page.

    Raises: NotFound: no such integration in this account.
    """
    integration = find_integration(tx, integration_id)
    latest = tx.delivery_views.page(integration_id, DeliveryFilter(), {}, _LATEST).deliveries
    refused = tx.refused_requests.by_integration(integration_id).get(integration_id, ())
    return _Seen(
        integration=integration,
        streams=tx.health.streams(integration_id),
        latest=tx.delivery_views.with_claims(latest),
        attempts=tx.delivery_views.past_attempts(integration_id, READ),
        refused=[sentence(one) for one in refused],
    )


def _path(visit: Visit, *parts: str) -> str:
    return account_path(visit.account, "integrations", integration_id_of(visit), *parts)
