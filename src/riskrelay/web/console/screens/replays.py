"""Replays of an integration: preview, start, and progress."""

from collections.abc import Mapping

from starlette.responses import Response

from riskrelay.actions.replays import control_replay, start_replay
from riskrelay.core.delivery.replays import REPLAYABLE, Replay, ReplayFilter, ReplayId
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.ports import Sent, Services, Transaction
from riskrelay.web.account_api.replays import FilterBody, filter_of
from riskrelay.web.console.forms import problems_of, read_fields, utc_field
from riskrelay.web.console.jobs import wanted_status
from riskrelay.web.console.named import find_integration, id_of, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_SHOWN = 20
_SAMPLE = 10
_FIELDS = ("state", "reason", "queued_from", "queued_to")

_Preview = tuple[int, list[Sent]]


class ReplayScreens:
    """The handlers of replays."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the form, the preview of the filter in the URL, and the replays."""
        fields = {name: visit.query.get(name, "").strip() for name in _FIELDS}
        problems: Mapping[str, str] = {}
        wanted: ReplayFilter | None = None
        if fields["state"]:
            try:
                wanted = self._wanted(fields)
            except Invalid as error:
                problems = problems_of(error)
        integration_id = integration_id_of(visit)
        integration, replays, preview = await self._services.store.read(
            visit.account, lambda tx: _read_page(tx, integration_id, wanted)
        )
        return self._pages.page(
            visit,
            "replays.html",
            400 if problems else 200,
            integration=integration,
            replays=replays,
            preview=preview,
            fields=fields,
            problems=problems,
            states=[state.value for state in REPLAYABLE],
        )

    async def start(self, visit: Visit) -> Response:
        """Start the previewed replay."""
        integration_id = integration_id_of(visit)
        wanted = self._wanted({name: visit.form.get(name, "").strip() for name in _FIELDS})
        _, _, preview = await self._services.store.read(
            visit.account, lambda tx: _read_page(tx, integration_id, wanted)
        )
        count = 0 if preview is None else preview[0]
        await start_replay(self._services, visit.account, visit.actor, integration_id, wanted=wanted, total=count)
        return self._back(visit, "replay-started")

    async def control(self, visit: Visit) -> Response:
        """Pause, resume or cancel a replay."""
        status = wanted_status(visit)
        replay_id = ReplayId(id_of(visit, "replay_id"))
        await control_replay(
            self._services, visit.account, visit.actor, integration_id_of(visit), replay_id=replay_id, status=status
        )
        return self._back(visit, f"replay-{status.value}")

    def _wanted(self, fields: Mapping[str, str]) -> ReplayFilter:
        """Return the filter of a form.

        Raises: Invalid.
        """
        times = {name: utc_field(name, fields[name]) for name in ("queued_from", "queued_to")}
        return filter_of(read_fields(FilterBody, {**fields, **times}), self._services.clock.now())

    def _back(self, visit: Visit, done: str) -> Response:
        return self._pages.see(
            account_path(visit.account, "integrations", integration_id_of(visit), "replays"), done=done
        )


def _read_page(
    tx: Transaction, integration_id: IntegrationId, wanted: ReplayFilter | None
) -> tuple[Integration, list[Replay], _Preview | None]:
    """Read the integration, its replays, and the preview of the filter.

    Raises: NotFound: no such integration in this account.
    """
    integration = find_integration(tx, integration_id)
    preview = None
    if wanted is not None:
        count, sample = tx.replays.matching(integration_id, wanted, _SAMPLE)
        preview = count, tx.delivery_views.with_claims(sample)
    return integration, tx.replays.all(integration_id, _SHOWN), preview
