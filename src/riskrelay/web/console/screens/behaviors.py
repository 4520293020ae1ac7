"""Behaviors: enable them, set their risk levels, and preview the effects."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
from pydantic import TypeAdapter
from starlette.datastructures import ImmutableMultiDict
from starlette.responses import Response

from riskrelay.actions.behaviors import add_behavior, change_behavior, retire_behavior, set_behaviors
from riskrelay.actions.trials import moves_now
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import Behavior, BehaviorId, BehaviorSetting, behaviors_in_use, settings_with
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import NO_TIMES
from riskrelay.core.sources.mappings import SuggestedBehavior
from riskrelay.ports import FindingCounts, Services, Stock, Transaction
from riskrelay.web.account_api.behaviors import ChangeBody, NewBehaviorBody
from riskrelay.web.account_api.bodies import parse
from riskrelay.web.console.effects import Move, Settings, moves_of, users_holding
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The data of one page.

    Attributes:
        is_decided_by_more: whether levels follow from more than the behaviors: durations, exceptions, rules.
    """

    settings: Settings
    is_decided_by_more: bool
    stock: Stock | None
    last_hour: Counter[BehaviorId]
    last_day: Counter[BehaviorId]


class BehaviorScreens:
    """The handlers of behaviors. Unsaved changes are in the URL."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show all behaviors with their current or proposed settings, and the effects of the proposal."""
        return await self._page(visit)

    async def _page(self, visit: Visit, problems: Mapping[str, str] | None = None, status: int = 200) -> Response:
        """Return the page.

        Args:
            problems: the problems of the form that adds a behavior, by field.
        """
        now = self._services.clock.now()
        seen = await self._services.store.read(visit.account, lambda tx: _seen(tx, now))
        current, stock = seen.settings, seen.stock
        in_use = behaviors_in_use(current)
        proposed = _proposed(visit.request.query_params, in_use) if "proposed" in visit.query else {}
        shown = {**current, **{one: replace(setting, own=current[one].own) for one, setting in proposed.items()}}
        standings = () if stock is None else stock.standings
        moves = await self._moves(visit.account, seen, shown)
        return self._pages.page(
            visit,
            "behaviors.html",
            status,
            rows=[(row, shown[one], users_holding(standings, one)) for one, row in in_use.items()],
            levels=[level.word for level in RiskLevel],
            stock=stock,
            last_hour=seen.last_hour,
            last_day=seen.last_day,
            changed=[row.name for one, row in in_use.items() if shown[one] != current[one]],
            moves=moves,
            counted_at=now if seen.is_decided_by_more else stock and stock.taken_at,
            may_change=visit.may(Scope.WRITE),
            problems=problems or {},
            filled=visit.form,
        )

    async def _moves(self, account_id: AccountId, seen: _Seen, shown: Settings) -> list[Move]:
        """Return the level changes that the shown settings would cause."""
        changed = {
            one: setting for one, setting in shown.items() if setting.risk_level != seen.settings[one].risk_level
        }
        if not changed:
            return []
        if not seen.is_decided_by_more:
            return moves_of(() if seen.stock is None else seen.stock.standings, shown)
        moves = await moves_now(self._services, account_id, changed)
        return [
            Move(RiskLevel(before) if before else None, RiskLevel(after) if after else None, users)
            for (before, after), users in sorted(moves.items(), reverse=True)
        ]

    async def save(self, visit: Visit) -> Response:
        """Save the changed settings."""
        stored = await self._services.store.read(visit.account, lambda tx: tx.behaviors.stored())
        current = settings_with(stored)
        proposed = _proposed(visit.form, behaviors_in_use(current))
        proposed = {one: replace(setting, own=current[one].own) for one, setting in proposed.items()}
        changed = {one: setting for one, setting in proposed.items() if setting != current[one]}
        if changed:
            await set_behaviors(self._services, visit.account, visit.actor, changed)
        return self._pages.see(account_path(visit.account, "behaviors"), done="behaviors" if changed else "nothing")

    async def add(self, visit: Visit) -> Response:
        """Add an account's own behavior, which is disabled."""
        fields = {name: visit.form.get(name, "").strip() for name in ("id", "name", "description", "risk_level")}
        try:
            body = read_fields(NewBehaviorBody, fields)
            behavior = SuggestedBehavior(
                behavior_id=body.id,
                name=body.name,
                description=body.description,
                level=RiskLevel.from_word(body.risk_level),
            )
            await add_behavior(self._services, visit.account, visit.actor, behavior)
        except Invalid as error:
            return await self._page(visit, problems_of(error), 400)
        return self._pages.see(account_path(visit.account, "behaviors"), done="behavior-added")

    async def show_own(self, visit: Visit) -> Response:
        """Show one of the account's own behaviors, with forms to change and retire it."""
        return await self._own_page(visit)

    async def rename(self, visit: Visit) -> Response:
        """Another name and description."""
        fields = {name: visit.form.get(name, "").strip() for name in ("name", "description")}
        try:
            body = parse(TypeAdapter(ChangeBody), msgspec.json.encode(fields))  # an empty description is one
            await change_behavior(self._services, visit.account, visit.actor, _behavior_id(visit), change=body.changed)
        except Invalid as error:
            return await self._own_page(visit, problems_of(error), 400)
        return self._pages.see(account_path(visit.account, "behaviors"), done="saved")

    async def retire(self, visit: Visit) -> Response:
        """Retire a behavior, so that it accepts no findings and is not listed."""
        await retire_behavior(self._services, visit.account, visit.actor, _behavior_id(visit))
        return self._pages.see(account_path(visit.account, "behaviors"), done="behavior-retired")

    async def _own_page(self, visit: Visit, problems: Mapping[str, str] | None = None, status: int = 200) -> Response:
        behavior_id = _behavior_id(visit)
        stored = await self._services.store.read(visit.account, lambda tx: tx.behaviors.stored())
        setting = stored.get(behavior_id)
        if setting is None or setting.own is None or setting.is_retired:
            raise NotFound
        return self._pages.page(
            visit,
            "own_behavior.html",
            status,
            behavior_id=behavior_id,
            setting=setting,
            own=setting.own,
            problems=problems or {},
            may_change=visit.may(Scope.WRITE),
        )


def _behavior_id(visit: Visit) -> BehaviorId:
    return BehaviorId(visit.request.path_params["behavior_id"])


def _proposed(fields: ImmutableMultiDict[str, str], in_use: Mapping[BehaviorId, Behavior]) -> Settings:
    """Return the proposed settings of a form.

    Raises: Invalid: a text is not a level.
    """
    enabled = set(fields.getlist("enabled"))
    proposed: dict[BehaviorId, BehaviorSetting] = {}
    for behavior, row in in_use.items():
        word = fields.get(f"level-{behavior}")
        if word is None:
            continue
        try:
            proposed[behavior] = BehaviorSetting(behavior in enabled, RiskLevel.from_word(word))
        except KeyError:
            message = f"The level of {row.name} must be low, medium or high."
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)]) from None
    return proposed


def _seen(tx: Transaction, now: datetime) -> _Seen:
    """Read the settings, the latest totals, and the findings of the last hour and day."""
    last_hour, last_day = (_by_behavior(tx.stocks.findings(now - length, _DAY)) for length in (_HOUR, _DAY))
    rules = tx.levels.rules()
    return _Seen(
        settings=rules.behaviors,
        is_decided_by_more=rules.times != NO_TIMES or bool(rules.exceptions or rules.policies),
        stock=tx.stocks.latest(),
        last_hour=last_hour,
        last_day=last_day,
    )


def _by_behavior(counts: FindingCounts) -> Counter[BehaviorId]:
    found: Counter[BehaviorId] = Counter()
    for (_, behavior), findings in counts.items():
        found[behavior] += findings
    return found
