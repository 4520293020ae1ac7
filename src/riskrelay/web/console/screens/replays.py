"""Replays of an integration: preview, start, and progress."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from riskrelay.actions.replays import control_replay, start_replay
from riskrelay.core.delivery.replays import Replay, ReplayFilter, ReplayId
from riskrelay.core.errors import Invalid
from riskrelay.core.integrations import Integration, IntegrationId
from riskrelay.core.risk.assessment import Standing
from riskrelay.ports import ReasonPlace, Sent, Services, Transaction
from riskrelay.web.account_api.replays import FilterBody, filter_of
from riskrelay.web.console.forms import problems_of, read_fields, utc_field
from riskrelay.web.console.jobs import wanted_status
from riskrelay.web.console.named import find_integration, id_of, integration_id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.user_search import search_users
from riskrelay.web.console.visits import Visit

_SHOWN = 20
_SAMPLE = 10
_STREAMS, _REASONS = 10, 10  # guessed: an integration has one stream and a few reasons; each takes three queries
_FOUND = 8  # chosen: users that a search offers; a longer text finds the others
_FIELDS = ("state", "reason", "queued_from", "queued_to", "users")

_Preview = tuple[int, list[Sent]]


_STATES = {
    "dead": ("Dead letters", "Rejected permanently by the receiver."),
    "expired": ("Expired", "Not accepted before their retention ended."),
    "cancelled": ("Canceled", "Canceled before they were accepted."),
    "delivered": ("Delivered", "Accepted before. The receiver gets them a second time."),
}
"""What a page says for each state that can be replayed: its name and its meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The data of one page.

    Attributes:
        preview: the number of deliveries that match the filter, and the newest of them; None: there is no filter.
        reasons: the number of dead letters of each reason; empty while a preview is shown.
        found: the users that the search of the form finds.
    """

    integration: Integration
    replays: Sequence[Replay]
    preview: _Preview | None
    reasons: Mapping[str, int]
    found: Sequence[Standing]


class ReplayScreens:
    """The handlers of replays."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the step of the wizard that the URL says, and the replays.

        The steps are the form, the preview of a filter, and the progress of a replay.
        """
        fields = {name: visit.query.get(name, "").strip() for name in _FIELDS}
        problems: Mapping[str, str] = {}
        wanted: ReplayFilter | None = None
        if fields["state"] and "edit" not in visit.query:
            try:
                wanted = self._wanted(visit, fields)
            except Invalid as error:
                problems = problems_of(error)
        integration_id = integration_id_of(visit)
        search = visit.query.get("find", "").replace("\0", "").strip() if visit.may_see_subjects else ""
        seen = await self._services.store.read(visit.account, lambda tx: _seen(tx, integration_id, wanted, search))
        job = next((one for one in seen.replays if one.replay_id == visit.query.get("job")), None)
        return self._pages.page(
            visit,
            "replays.html",
            400 if problems else 200,
            integration=seen.integration,
            replays=[one for one in seen.replays if one is not job],
            job=job,
            preview=seen.preview,
            wanted=wanted,
            reasons={**({fields["reason"]: 0} if fields["reason"] else {}), **seen.reasons},
            fields=fields,
            problems=problems,
            search=search,
            found=[(user, f"{fields['users']} {user.email}".strip()) for user in seen.found],
            states=_STATES,
            names={word: name for word, (name, _) in _STATES.items()},
        )

    async def start(self, visit: Visit) -> Response:
        """Start the previewed replay."""
        integration_id = integration_id_of(visit)
        wanted = self._wanted(visit, {name: visit.form.get(name, "").strip() for name in _FIELDS})
        count, _ = await self._services.store.read(visit.account, lambda tx: _preview(tx, integration_id, wanted))
        started = await start_replay(
            self._services, visit.account, visit.actor, integration_id, wanted=wanted, total=count
        )
        return self._job(visit, started.replay_id, "replay-started")

    async def control(self, visit: Visit) -> Response:
        """Pause, resume or cancel a replay."""
        status = wanted_status(visit)
        replay_id = ReplayId(id_of(visit, "replay_id"))
        await control_replay(
            self._services, visit.account, visit.actor, integration_id_of(visit), replay_id=replay_id, status=status
        )
        return self._job(visit, replay_id, f"replay-{status.value}")

    def _wanted(self, visit: Visit, fields: Mapping[str, str]) -> ReplayFilter:
        """Return the filter of a form.

        Raises: Invalid; Forbidden: the visitor lists users and may not see them.
        """
        times = {name: utc_field(name, fields[name]) for name in ("queued_from", "queued_to")}
        users = fields["users"].replace(",", " ").split() or ""
        body = read_fields(FilterBody, {**fields, **times, "users": users})
        return filter_of(body, self._services.clock.now(), may_see_subjects=visit.may_see_subjects)

    def _job(self, visit: Visit, replay_id: ReplayId, done: str) -> Response:
        path = account_path(visit.account, "integrations", integration_id_of(visit), "replays")
        return self._pages.see(path, job=replay_id, done=done)


def _seen(tx: Transaction, integration_id: IntegrationId, wanted: ReplayFilter | None, search: str) -> _Seen:
    """Read the data of the page.

    Raises: NotFound: no such integration in this account.
    """
    integration = find_integration(tx, integration_id)
    return _Seen(
        integration=integration,
        replays=tx.replays.all(integration_id, _SHOWN),
        preview=None if wanted is None else _preview(tx, integration_id, wanted),
        reasons=_reasons(tx, integration_id) if wanted is None else {},
        found=search_users(tx, search, None, _FOUND + 1)[0] if search else [],
    )


def _preview(tx: Transaction, integration_id: IntegrationId, wanted: ReplayFilter) -> _Preview:
    count, sample = tx.replays.matching(integration_id, wanted, _SAMPLE)
    return count, tx.delivery_views.with_claims(sample)


def _reasons(tx: Transaction, integration_id: IntegrationId) -> dict[str, int]:
    """Return the number of dead letters of each reason."""
    found: Counter[str] = Counter()
    for stream in tx.streams.of_integration(integration_id)[:_STREAMS]:
        for group in tx.delivery_views.dead_letters(ReasonPlace(stream.stream_id, ""), _REASONS):
            if group.stream.stream_id == stream.stream_id:
                found[group.reason] += group.count
    return dict(found.most_common())
