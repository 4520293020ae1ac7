"""Exceptions: list, add, end and delete them."""

from collections.abc import Mapping
from datetime import datetime

from starlette.responses import Response

from riskrelay.actions.exceptions import WantedException, add_exception, change_exception, delete_exception
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Invalid, found
from riskrelay.core.risk.behaviors import behaviors_in_use, name_of, settings_with
from riskrelay.core.risk.exceptions import Coverage, Effect, ExceptionId, RiskException
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.ports import Services
from riskrelay.web.account_api.exceptions import ExceptionBody
from riskrelay.web.account_api.known_behaviors import known_behaviors
from riskrelay.web.console.effects import Settings
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.lists import Choice, Column, ListOf, wants_csv
from riskrelay.web.console.named import id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

COVERAGES: Mapping[Coverage, str] = {
    Coverage.USER: "User (email)",
    Coverage.GROUP: "Group of the directory",
    Coverage.PATTERN: "Pattern of emails",
}
EFFECTS: Mapping[Effect, str] = {
    Effect.IGNORE: "Ignore",
    Effect.CAP: "At most this level",
    Effect.LEVEL: "This level",
}
_NAMES = {"user": "covered", "group": "covered", "pattern": "covered", "ends_at": "ends_on"}
"""The fields of the form for members of the API with other names."""
_FIELDS = ("coverage", "covered", "behavior", "effect", "level", "reason", "ends_on")


def exception_fields(filled: Mapping[str, str]) -> dict[str, str]:
    """Return the members of the API for whom an exception covers and its effect, from the fields of a form."""
    coverage = filled.get("coverage", "")
    effect = filled.get("effect", "")
    fields = {
        coverage if coverage in list(Coverage) else Coverage.USER.value: filled.get("covered", ""),
        "effect": effect,
    }
    return fields if effect == Effect.IGNORE else {**fields, "level": filled.get("level", "")}


class ExceptionScreens:
    """The handlers of exceptions."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the exceptions, and a form that adds one."""
        return await self._page(visit)

    async def add(self, visit: Visit) -> Response:
        """Add an exception."""
        try:
            await add_exception(self._services, visit.account, visit.actor, await self._wanted(visit))
        except Invalid as error:
            problems = problems_of(error)
            return await self._page(visit, {_NAMES.get(name, name): text for name, text in problems.items()}, 400)
        return self._done(visit, "exception-added")

    async def end(self, visit: Visit) -> Response:
        """End an exception now."""
        exception_id = ExceptionId(id_of(visit, "exception_id"))
        stored = found(await self._services.store.read(visit.account, lambda tx: tx.exceptions.get(exception_id)))
        ended = WantedException.of(stored, ends_at=self._services.clock.now())
        await change_exception(self._services, visit.account, visit.actor, exception_id, wanted=ended)
        return self._done(visit, "exception-ended")

    async def delete(self, visit: Visit) -> Response:
        """Delete an exception."""
        exception_id = ExceptionId(id_of(visit, "exception_id"))
        await delete_exception(self._services, visit.account, visit.actor, exception_id)
        return self._done(visit, "exception-deleted")

    async def _wanted(self, visit: Visit) -> WantedException:
        """Read the form.

        Raises: Invalid.
        """
        filled = {name: visit.form.get(name, "").strip() for name in _FIELDS}
        known = known_behaviors(self._services, visit.account)
        await known.complete()
        fields = {
            **exception_fields(filled),
            "behavior": filled["behavior"],
            "reason": filled["reason"],
            "ends_at": f"{filled['ends_on']}T00:00:00Z" if filled["ends_on"] else "",
        }
        return read_fields(ExceptionBody, fields, known).wanted()

    async def _page(self, visit: Visit, problems: Mapping[str, str] | None = None, status: int = 200) -> Response:
        """Return the page.

        Args:
            problems: the problems of the form, by field.
        """
        now = self._services.clock.now()
        stored, settings = await self._services.store.read(
            visit.account, lambda tx: (tx.exceptions.all(), settings_with(tx.behaviors.stored()))
        )
        listed = _listed(settings, now)
        if wants_csv(visit):
            return listed.csv(visit, stored, now)
        return self._pages.page(
            visit,
            "exceptions.html",
            status,
            view=listed.view(visit, stored, now),
            now=now,
            settings=settings,
            behaviors=behaviors_in_use(settings),
            coverages=COVERAGES,
            effects=EFFECTS,
            levels=[level.word for level in RiskLevel],
            filled=visit.form or visit.query,
            problems=problems or {},
            may_change=visit.may(Scope.WRITE),
        )

    def _done(self, visit: Visit, done: str) -> Response:
        return self._pages.see(account_path(visit.account, "exceptions"), done=done)


def _listed(settings: Settings, now: datetime) -> ListOf[RiskException]:
    """Return the list of exceptions, as their names are now."""

    def behavior(one: RiskException) -> str:
        return "All" if one.behavior is None else name_of(one.behavior, settings)

    return ListOf(
        name="exceptions",
        columns=(
            Column(title="Covers", value=lambda one: one.covered, sort="covers"),
            Column(title="Kind", value=lambda one: one.coverage.value),
            Column(title="Behavior", value=behavior, sort="behavior"),
            Column(title="Effect", value=lambda one: EFFECTS[one.effect]),
            Column(title="Level", value=lambda one: one.level.word if one.level else None),
            Column(title="Ends", value=lambda one: one.ends_at, sort="ends"),
            Column(title="Reason", value=lambda one: one.reason),
            Column(title="Exception ID", value=lambda one: one.exception_id),
        ),
        words=lambda one: (one.covered, one.reason, behavior(one)),
        placeholder="User, group, behavior or reason contains",
        choices=(
            Choice(
                name="covers",
                label="Covers",
                words={"": "any users", **{one.value: COVERAGES[one] for one in Coverage}},
            ),
            Choice(name="ended", label="State", words={"": "any state", "no": "in effect", "yes": "ended"}),
        ),
        fits={
            "covers": lambda one, word: one.coverage.value == word,
            "ended": lambda one, word: one.has_ended(now) == (word == "yes"),
        },
    )
