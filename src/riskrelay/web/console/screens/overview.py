"""The overview: how the account is doing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from riskrelay.actions.record_signals import Signals
from riskrelay.core.delivery.health import StreamHealth, why
from riskrelay.core.products import PRODUCTS
from riskrelay.core.risk.behaviors import behaviors_in_use, name_of, settings_with
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.sources.sources import Became, SourceState
from riskrelay.ports import DeliveryCounts, FindingCounts, Sent, Services, Stock, Transaction
from riskrelay.web.console.answers import answer_of
from riskrelay.web.console.checklist import Step
from riskrelay.web.console.checkup import STALE
from riskrelay.web.console.effects import Settings
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.screens.first_steps import DISMISSED, first_steps
from riskrelay.web.console.source_rows import SourceRow, source_rows
from riskrelay.web.console.visits import Visit
from riskrelay.web.console.windows import WINDOWS, Window, delivery_series, finding_rows, level_rows, top_behaviors

_NEEDING_ATTENTION = 10  # guessed: more than one can fix at once
_SOURCES = 8  # guessed: the page of sources has all
_FAILING = (SourceState.SILENT, SourceState.REFUSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The data of one page.

    Attributes:
        steps: the first steps; empty: they are done or dismissed.
        latest: the event that the last of the first steps shows.
    """

    stock: Stock | None
    integrations: int
    needing_attention: Sequence[StreamHealth]
    sources: Sequence[SourceRow]
    deliveries: Mapping[datetime, DeliveryCounts]
    levels: Mapping[datetime, Sequence[int]]
    findings: FindingCounts
    settings: Settings
    steps: Sequence[Step]
    latest: Sent | None


class OverviewScreens:
    """The handlers of the overview."""

    def __init__(self, services: Services, pages: Pages, signals: Signals) -> None:
        self._services = services
        self._pages = pages
        self._signals = signals

    async def show(self, visit: Visit) -> Response:
        """Show the overview, from stored counts only."""
        window = WINDOWS.get(visit.query.get("window", ""), WINDOWS["1h"])
        now = self._services.clock.now()
        starts = window.starts(now)
        is_new = DISMISSED not in visit.request.cookies
        seen = await self._services.store.read(
            visit.account, lambda tx: _seen(tx, window, starts[0], now, with_steps=is_new)
        )
        failing = sum(row.state in _FAILING for row in seen.sources)
        top, has_others = top_behaviors(seen.findings)
        names = [*(name_of(behavior, seen.settings) for behavior in top), *(["Other"] if has_others else [])]
        return self._pages.page(
            visit,
            "overview.html",
            stock=seen.stock,
            is_stale=seen.stock is not None and now - seen.stock.taken_at > STALE,
            answer=answer_of(
                seen.stock,
                seen.needing_attention,
                integrations=seen.integrations,
                failing_sources=failing,
                now=now,
            ),
            series=delivery_series(seen.deliveries, starts),
            needing_attention=[
                (health, why(health, may_see_subjects=visit.may_see_subjects)) for health in seen.needing_attention
            ],
            sources=sorted(seen.sources, key=lambda row: row.state not in _FAILING)[:_SOURCES],
            source_count=len(seen.sources),
            levels=list(reversed(RiskLevel)),
            window=window,
            windows=list(WINDOWS),
            level_columns=["Time", *(level.word for level in RiskLevel)],
            level_rows=level_rows(seen.levels, starts),
            finding_columns=["Time", *names],
            finding_rows=finding_rows(seen.findings, starts, window.step),
            steps=seen.steps,
            latest=seen.latest,
            behaviors=behaviors_in_use(seen.settings),
            settings=seen.settings,
            products=PRODUCTS.values(),
            kinds=sorted(self._signals.mapper.shipped),
            refused=Became.REFUSED,
        )


def _seen(tx: Transaction, window: Window, since: datetime, now: datetime, *, with_steps: bool) -> _Seen:
    settings = settings_with(tx.behaviors.stored())
    stock = tx.stocks.latest()
    steps, latest = first_steps(tx, settings, stock) if with_steps else ([], None)
    return _Seen(
        stock=stock,
        integrations=len(tx.integrations.all()),
        needing_attention=tx.health.needing_attention(_NEEDING_ATTENTION),
        sources=source_rows(tx, now),
        deliveries=tx.stocks.deliveries(since, window.step),
        levels=tx.stocks.levels(since, window.step),
        findings=tx.stocks.findings(since, window.step),
        settings=settings,
        steps=[] if all(step.is_done for step in steps) else steps,
        latest=latest,
    )
