"""Behaviors: switch on, weigh, and see first what that would do."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.datastructures import ImmutableMultiDict
from starlette.responses import Response

from riskrelay.actions.behaviors import set_behaviors
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.risk.behaviors import BEHAVIORS, BehaviorId, BehaviorSetting, settings_with
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import FindingCounts, Outside, Stock, Transaction
from riskrelay.web.console.effects import Settings, moves_of, users_holding
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was read for one page."""

    settings: Settings
    stock: Stock | None
    last_hour: Counter[BehaviorId]
    last_day: Counter[BehaviorId]


class BehaviorScreens:
    """The handlers of behaviors. What is proposed stands in the URL until it is saved."""

    def __init__(self, outside: Outside, pages: Pages) -> None:
        self._outside = outside
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Every behavior, as it is or as it is proposed, and what the proposal would do."""
        now = self._outside.clock.now()
        seen = await self._outside.store.read(visit.account, lambda tx: _seen(tx, now))
        current, stock = seen.settings, seen.stock
        shown = {**current, **_proposed(visit.request.query_params)} if "proposed" in visit.query else current
        standings = () if stock is None else stock.standings
        return self._pages.page(
            visit,
            "behaviors.html",
            rows=[(BEHAVIORS[one], shown[one], users_holding(standings, one)) for one in BEHAVIORS],
            levels=[level.word for level in RiskLevel],
            stock=stock,
            last_hour=seen.last_hour,
            last_day=seen.last_day,
            changed=[BEHAVIORS[one].name for one in BEHAVIORS if shown[one] != current[one]],
            moves=moves_of(standings, shown) if _weighs_otherwise(shown, current) else [],
            may_change=visit.may(Scope.WRITE),
        )

    async def save(self, visit: Visit) -> Response:
        """What differs from the settings as they are now is set."""
        proposed = _proposed(visit.form)
        stored = await self._outside.store.read(visit.account, lambda tx: tx.behaviors.stored())
        current = settings_with(stored)
        changed = {one: setting for one, setting in proposed.items() if setting != current[one]}
        if changed:
            await set_behaviors(self._outside, visit.account, visit.actor, changed)
        return self._pages.see(account_path(visit.account, "behaviors"), done="behaviors" if changed else "nothing")


def _proposed(fields: ImmutableMultiDict[str, str]) -> Settings:
    """The settings of the behaviors whose level a form names.

    Raises: Invalid: a level is none.
    """
    enabled = set(fields.getlist("enabled"))
    proposed: dict[BehaviorId, BehaviorSetting] = {}
    for behavior in BEHAVIORS:
        word = fields.get(f"level-{behavior}")
        if word is None:
            continue
        try:
            proposed[behavior] = BehaviorSetting(behavior in enabled, RiskLevel.from_word(word))
        except KeyError:
            message = f"The level of {BEHAVIORS[behavior].name} must be low, medium or high."
            raise Invalid([Fault(FaultKind.WRONG_VALUE, "", message)]) from None
    return proposed


def _seen(tx: Transaction, now: datetime) -> _Seen:
    last_hour, last_day = (_by_behavior(tx.stocks.findings(now - length, _DAY)) for length in (_HOUR, _DAY))
    return _Seen(
        settings=settings_with(tx.behaviors.stored()), stock=tx.stocks.latest(), last_hour=last_hour, last_day=last_day
    )


def _by_behavior(counts: FindingCounts) -> Counter[BehaviorId]:
    found: Counter[BehaviorId] = Counter()
    for (_, behavior), findings in counts.items():
        found[behavior] += findings
    return found


def _weighs_otherwise(one: Settings, other: Settings) -> bool:
    return any(one[behavior].risk_level != other[behavior].risk_level for behavior in BEHAVIORS)
