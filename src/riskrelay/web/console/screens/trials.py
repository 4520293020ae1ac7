"""Trials: what a change would have done, beside the pages that change it."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from riskrelay.actions.trials import MAX_DAYS, try_rules
from riskrelay.core.errors import Invalid
from riskrelay.core.risk.behaviors import behaviors_in_use
from riskrelay.core.risk.durations import duration_of
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Services
from riskrelay.web.account_api.known_behaviors import known_behaviors
from riskrelay.web.account_api.levels import rendered_times
from riskrelay.web.account_api.trials import TryBody, proposal_of, rendered
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.screens.exceptions import COVERAGES, EFFECTS, exception_fields
from riskrelay.web.console.visits import Visit

_DISABLED = "disabled"


class TrialScreens:
    """The handlers of trials."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show a form for a change."""
        return await self._page(visit)

    async def attempt(self, visit: Visit) -> Response:
        """Show what the change would do. Nothing is stored."""
        known = known_behaviors(self._services, visit.account)
        await known.complete()
        try:
            body = read_fields(TryBody, await self._fields(visit), known)
            proposal = await proposal_of(self._services, visit.account, body)
        except Invalid as error:
            return await self._page(visit, problems_of(error), 400)
        trial = await try_rules(self._services, visit.account, proposal, body.days)
        return await self._page(visit, trial=rendered(trial, body.days))

    async def _fields(self, visit: Visit) -> dict[str, Any]:
        """Return the form as the API's body."""
        given = {name: text.strip() for name, text in visit.form.items()}
        rules = await self._services.store.read(visit.account, lambda tx: tx.levels.rules())
        days = given.get("days", "")
        fields: dict[str, Any] = {"days": int(days) if days.isascii() and days.isdigit() and len(days) < 5 else days}
        behaviors: dict[str, Any] = {}
        times = rendered_times(rules)
        for behavior, stored in rules.behaviors.items():
            becomes, after = given.get(f"becomes-{behavior}", ""), given.get(f"expires-{behavior}", "")
            if becomes:
                is_disabled = becomes == _DISABLED
                behaviors[behavior] = {
                    "enabled": stored.enabled and not is_disabled,
                    "risk_level": stored.risk_level.word if is_disabled else becomes,
                }
            if after:
                duration = duration_of(after)
                seconds = after if duration is None else int(duration.total_seconds())
                times["durations"][behavior] = {"expires_after_seconds": seconds}
                fields["levels"] = times
        if behaviors:
            fields["behaviors"] = behaviors
        covered = [line.strip() for line in given.get("covered", "").splitlines() if line.strip()]
        if covered:
            fields["add_exceptions"] = [
                {**exception_fields({**given, "covered": one}), "reason": "A trial."} for one in covered
            ]
        if given.get("rule_when", ""):
            level, within = given.get("rule_level", ""), given.get("rule_within", "") or "1d"
            duration = duration_of(within)
            rule = {
                "name": "Tried",
                "within_seconds": within if duration is None else int(duration.total_seconds()),
                "when": given["rule_when"],
                "level": level or None,
                "session_revoked": not level,
            }
            fields["add_rules"] = [rule]
        return fields

    async def _page(
        self,
        visit: Visit,
        problems: Mapping[str, str] | None = None,
        status: int = 200,
        trial: dict[str, Any] | None = None,
    ) -> Response:
        rules = await self._services.store.read(visit.account, lambda tx: tx.levels.rules())
        return self._pages.page(
            visit,
            "trial.html",
            status,
            trial=trial,
            behaviors=behaviors_in_use(rules.behaviors),
            levels=[level.word for level in RiskLevel],
            disabled=_DISABLED,
            coverages=COVERAGES,
            effects=EFFECTS,
            max_days=MAX_DAYS,
            filled=visit.form,
            problems=problems or {},
        )
