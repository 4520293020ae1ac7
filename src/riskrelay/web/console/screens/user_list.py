"""The list of users: those at risk, or all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId, behaviors_in_use, reason_for, settings_with
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.risk_filters import RiskFilter
from riskrelay.core.sources.sources import Source
from riskrelay.ports import RiskPlace, Services, Transaction
from riskrelay.web.console.csv_files import csv_response
from riskrelay.web.console.effects import Settings
from riskrelay.web.console.lists import TIME_RANGE, Choice, limit_of, page_of, search_of, since_of, wants_csv
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.paging import Count, Moment, Text, place_of, read_place, split
from riskrelay.web.console.user_search import search_users
from riskrelay.web.console.visits import Visit

_COUNTED_OF_SOURCE = 10_000  # chosen: some 0.15 s on SQLite
LEVELS = {level.word: level for level in reversed(RiskLevel)}
_LEVEL = Choice(
    name="level", label="Level", words={"": "at risk", **{word: word for word in LEVELS}, "any": "all users"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The data of one page.

    Attributes:
        older: the position after which the next page starts; None: this is the last page.
        count: the number of users that match; None: not counted.
        counted_to: where counting stops; None: all are counted.
    """

    users: Sequence[Standing]
    older: str | None
    count: int | None
    counted_to: int | None
    settings: Settings
    choices: Sequence[Choice]


class UserListScreen:
    """The handler of the list."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show users at risk, or all users whose name or e-mail contains the searched text."""
        now = self._services.clock.now()
        seen = await self._services.store.read(visit.account, lambda tx: _seen(tx, visit, now))
        if wants_csv(visit):
            return csv_response("users", _columns(seen.settings), seen.users)
        view = page_of(
            visit,
            seen.users,
            seen.older,
            choices=seen.choices,
            placeholder="Name or email contains",
            total=seen.count,
            counted_to=seen.counted_to,
        )
        return self._pages.page(
            visit, "users.html", view=view, settings=seen.settings, reset_filter=_reset_filter(visit, seen.choices)
        )


def _reset_filter(visit: Visit, choices: Sequence[Choice]) -> dict[str, str]:
    """Return the filters that a bulk reset takes, too; empty: the list has another one, or none."""
    chosen = {one.name: one.chosen(visit.query) for one in choices if one.chosen(visit.query)}
    can_be_reset = chosen.get("level", "low") in LEVELS and chosen.keys() <= {"level", "behavior"}
    return chosen if can_be_reset and not search_of(visit) else {}


def _seen(tx: Transaction, visit: Visit, now: datetime) -> _Seen:
    settings = settings_with(tx.behaviors.stored())
    choices = [_LEVEL, _behavior_choice(settings), _source_choice(tx.sources.all()), TIME_RANGE]
    word, behavior, source = (one.chosen(visit.query) for one in choices[:3])
    wanted = RiskFilter(
        level=LEVELS.get(word),
        behavior=BehaviorId(behavior) if behavior else None,
        source=source or None,
        last_event_from=since_of(visit.query, now),
    )
    search, after, limit = search_of(visit), visit.query.get("after"), limit_of(visit)
    is_of_all = word == "any" or bool(search)
    users, older = (
        search_users(tx, search, after, limit, wanted=wanted) if is_of_all else _at_risk(tx, wanted, after, limit)
    )
    counted_to = None if wanted.source is None else _COUNTED_OF_SOURCE
    most = None if counted_to is None else counted_to + 1
    count = None if is_of_all or wants_csv(visit) else tx.user_views.count_at_risk(wanted, most)
    return _Seen(users=users, older=older, count=count, counted_to=counted_to, settings=settings, choices=choices)


def _at_risk(
    tx: Transaction, wanted: RiskFilter, after: str | None, limit: int
) -> tuple[Sequence[Standing], str | None]:
    place = read_place(after, tuple[Count, Moment, Text])
    behind: RiskPlace | None = None if place is None else (_level(place[0]), place[1], UserId(place[2]))
    page, last = split(tx.user_views.at_risk(wanted, behind, limit), limit - 1)
    return page, None if last is None else place_of(int(last.level or 0), last.last_event_at, last.user_id)


def _level(number: int) -> RiskLevel:
    return RiskLevel(min(max(number, min(RiskLevel)), max(RiskLevel)))


def _behavior_choice(settings: Settings) -> Choice:
    words = {str(one): row.name for one, row in behaviors_in_use(settings).items()}
    return Choice(name="behavior", label="Behavior", words={"": "any behavior", **words})


def _source_choice(sources: Sequence[Source]) -> Choice:
    return Choice(
        name="source", label="Source", words={"": "any source", **{str(one.source_id): one.name for one in sources}}
    )


def _columns(settings: Settings) -> Mapping[str, Callable[[Standing], object]]:
    """Return the columns of the file."""
    return {
        "Email": lambda user: user.email,
        "Name": lambda user: user.name,
        "Level": lambda user: user.level.word if user.level else "none",
        "Behaviors": lambda user: reason_for(user.triggered, settings),
        "Findings": lambda user: user.event_count,
        "Last finding": lambda user: user.last_event_at,
        "User ID": lambda user: user.user_id,
    }
