"""Levels: how long findings of each behavior count."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from starlette.responses import Response

from riskrelay.actions.level_times import set_level_times
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Invalid
from riskrelay.core.risk.behaviors import behaviors_in_use
from riskrelay.core.risk.durations import duration_of, duration_text
from riskrelay.core.risk.rules import Duration
from riskrelay.ports import Services
from riskrelay.web.account_api.bodies import parse
from riskrelay.web.account_api.known_behaviors import known_behaviors
from riskrelay.web.account_api.levels import LEVELS, rendered_times
from riskrelay.web.console.forms import problems_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_TIMES = {"expires_after_seconds": "", "medium_seconds": "0s", "low_seconds": "0s"}
"""The fields of a duration, each with its value when it is empty."""


class LevelScreens:
    """The handlers of the page on how levels end."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show how long findings count, with a form to change it."""
        return await self._page(visit)

    async def expire(self, visit: Visit) -> Response:
        """Let findings of a behavior expire."""
        fields = {name: visit.form.get(name, "").strip() or otherwise for name, otherwise in _TIMES.items()}
        duration = {name: _seconds_of(text) for name, text in fields.items()}
        behavior = visit.form.get("behavior", "")
        return await self._change(visit, lambda times: times["durations"].update({behavior: duration}))

    async def keep(self, visit: Visit) -> Response:
        """Let findings of a behavior count until the user is reset."""
        behavior = visit.form.get("behavior", "")
        return await self._change(visit, lambda times: times["durations"].pop(behavior, None))

    async def space(self, visit: Visit) -> Response:
        """Set the shortest time between two events about the same user."""
        text = visit.form.get("seconds_between_events", "").strip() or "0s"
        return await self._change(visit, lambda times: times.update(seconds_between_events=_seconds_of(text)))

    async def _change(self, visit: Visit, change: Callable[[dict[str, Any]], Any]) -> Response:
        times = rendered_times(await self._services.store.read(visit.account, lambda tx: tx.levels.rules()))
        change(times)
        known = known_behaviors(self._services, visit.account)
        await known.complete()
        try:
            body = parse(LEVELS, msgspec.json.encode(times), known=known)
        except Invalid as error:
            return await self._page(visit, 400, problems_of(error))
        await set_level_times(self._services, visit.account, visit.actor, body.times())
        return self._pages.see(account_path(visit.account, "behaviors", "levels"), done="levels")

    async def _page(self, visit: Visit, status: int = 200, problems: Mapping[str, str] | None = None) -> Response:
        rules = await self._services.store.read(visit.account, lambda tx: tx.levels.rules())
        in_use = behaviors_in_use(rules.behaviors)
        durations = rules.times.durations
        rows = [
            (row, rules.behaviors[one].risk_level, _texts(durations[one]))
            for one, row in in_use.items()
            if one in durations
        ]
        return self._pages.page(
            visit,
            "levels.html",
            status,
            rows=rows,
            behaviors=list(in_use.values()),
            between=duration_text(rules.times.between_events),
            fields=visit.form,
            problems=problems or {},
            may_change=visit.may(Scope.WRITE),
        )


def _texts(duration: Duration) -> list[str]:
    return [duration_text(time) if time else "" for time in (duration.expires_after, duration.medium, duration.low)]


def _seconds_of(text: str) -> int | str:
    """Return a field's duration in seconds as a JSON value; text that is no duration as it is."""
    duration = duration_of(text)
    return text if duration is None else duration // timedelta(seconds=1)
