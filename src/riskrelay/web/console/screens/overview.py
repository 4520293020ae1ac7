"""The overview: how the account is doing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.health import StreamHealth, why
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting, name_of
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.sources.sources import COUNTED_FOR, Source, SourceState, state_of
from riskrelay.ports import FindingCounts, Services, Stock, Transaction
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit
from riskrelay.web.console.windows import WINDOWS, Window, behaviors_in, finding_rows, level_rows

_NEEDING_ATTENTION = 10  # guessed: more than one can fix at once


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The data of one page."""

    stock: Stock | None
    needing_attention: Sequence[StreamHealth]
    sources: Sequence[tuple[Source, SourceState]]
    levels: Mapping[datetime, Sequence[int]]
    findings: FindingCounts
    settings: Mapping[BehaviorId, BehaviorSetting]


class OverviewScreens:
    """The handlers of the overview."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the overview, from stored counts only."""
        window = WINDOWS.get(visit.query.get("window", ""), WINDOWS["1h"])
        now = self._services.clock.now()
        starts = window.starts(now)
        seen = await self._services.store.read(visit.account, lambda tx: _seen(tx, window, starts[0], now))
        return self._pages.page(
            visit,
            "overview.html",
            stock=seen.stock,
            needing_attention=[
                (health, why(health, may_see_subjects=visit.may_see_subjects)) for health in seen.needing_attention
            ],
            sources=seen.sources,
            levels=list(reversed(RiskLevel)),
            window=window,
            windows=list(WINDOWS),
            level_columns=["Time", *(level.word for level in RiskLevel)],
            level_rows=level_rows(seen.levels, starts),
            finding_columns=["Time", *(name_of(behavior, seen.settings) for behavior in behaviors_in(seen.findings))],
            finding_rows=finding_rows(seen.findings, starts, window.step),
            may_see_users=visit.may(Scope.PII_READ),
        )


def _seen(tx: Transaction, window: Window, since: datetime, now: datetime) -> _Seen:
    return _Seen(
        stock=tx.stocks.latest(),
        needing_attention=tx.health.needing_attention(_NEEDING_ATTENTION),
        sources=_sources_needing_attention(tx, now),
        levels=tx.stocks.levels(since, window.step),
        findings=tx.stocks.findings(since, window.step),
        settings=tx.behaviors.stored(),
    )


def _sources_needing_attention(tx: Transaction, now: datetime) -> Sequence[tuple[Source, SourceState]]:
    """Return the sources that are silent or refuse everything, with their states."""
    sources = tx.sources.all()
    counts = tx.sources.counts(now - COUNTED_FOR) if sources else {}
    states = [(source, state_of(source, counts.get(source.source_id, {}), now)) for source in sources]
    failing = [(source, state) for source, state in states if state in (SourceState.SILENT, SourceState.REFUSING)]
    return failing[:_NEEDING_ATTENTION]
