"""Exceptions: list, add, change, end and delete them."""

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
        return await self._page(visit, visit.query)

    async def show_one(self, visit: Visit) -> Response:
        """Show the exceptions, and a form that changes one."""
        stored = await self._stored(visit)
        return await self._page(visit, _filled(stored), changed=stored)

    async def add(self, visit: Visit) -> Response:
        """Add an exception."""
        try:
            await add_exception(self._services, visit.account, visit.actor, await self._wanted(visit))
        except Invalid as error:
            return await self._page(visit, visit.form, _problems(error), 400)
        return self._done(visit, "exception-added")

    async def change(self, visit: Visit) -> Response:
        """Overwrite an exception. It keeps the time of day of its end if the date stays."""
        stored = await self._stored(visit)
        try:
            wanted = await self._wanted(visit)
            if visit.form.get("ends_on", "").strip() == _filled(stored)["ends_on"]:
                wanted = WantedException.of(wanted, ends_at=stored.ends_at)
            await change_exception(self._services, visit.account, visit.actor, stored.exception_id, wanted=wanted)
        except Invalid as error:
            return await self._page(visit, visit.form, _problems(error), 400, changed=stored)
        return self._done(visit, "exception-changed")

    async def end(self, visit: Visit) -> Response:
        """End an exception now."""
        stored = await self._stored(visit)
        ended = WantedException.of(stored, ends_at=self._services.clock.now())
        await change_exception(self._services, visit.account, visit.actor, stored.exception_id, wanted=ended)
        return self._done(visit, "exception-ended")

    async def delete(self, visit: Visit) -> Response:
        """Delete an exception."""
        exception_id = ExceptionId(id_of(visit, "exception_id"))
        await delete_exception(self._services, visit.account, visit.actor, exception_id)
        return self._done(visit, "exception-deleted")

    async def _stored(self, visit: Visit) -> RiskException:
        exception_id = ExceptionId(id_of(visit, "exception_id"))
        return found(await self._services.store.read(visit.account, lambda tx: tx.exceptions.get(exception_id)))

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

    async def _page(
        self,
        visit: Visit,
        filled: Mapping[str, str],
        problems: Mapping[str, str] | None = None,
        status: int = 200,
        *,
        changed: RiskException | None = None,
    ) -> Response:
        """Return the page.

        Args:
            filled: the values of the form, by field.
            problems: the problems of the form, by field.
            changed: the exception that the form changes; None: the form adds one.
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
            changed=changed,
            filled=filled,
            problems=problems or {},
            may_change=visit.may(Scope.WRITE),
        )

    def _done(self, visit: Visit, done: str) -> Response:
        return self._pages.see(account_path(visit.account, "exceptions"), done=done)


def _filled(stored: RiskException) -> dict[str, str]:
    """Return the values of the form for a stored exception."""
    return {
        "coverage": stored.coverage.value,
        "covered": stored.covered,
        "behavior": stored.behavior or "",
        "effect": stored.effect.value,
        "level": stored.level.word if stored.level else "",
        "reason": stored.reason,
        "ends_on": stored.ends_at.date().isoformat() if stored.ends_at else "",
    }


def _problems(error: Invalid) -> dict[str, str]:
    return {_NAMES.get(name, name): text for name, text in problems_of(error).items()}


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
