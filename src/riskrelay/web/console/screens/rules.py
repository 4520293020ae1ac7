"""Rules: list, add, change, try and delete them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from riskrelay.actions.rule_checks import RuleCheck, check_rule
from riskrelay.actions.rules import WantedRule, add_rule, change_rule, delete_rule
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Invalid, NotFound, found
from riskrelay.core.risk.behaviors import behaviors_in_use, settings_with
from riskrelay.core.risk.durations import duration_of, duration_text
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import MAX_DESCRIPTION_CHARACTERS, MAX_EXPRESSION_CHARACTERS, PolicyRule, RuleId
from riskrelay.ports import Services
from riskrelay.web.account_api.rules import RuleBody
from riskrelay.web.console.forms import problems_of, read_fields
from riskrelay.web.console.named import id_of
from riskrelay.web.console.navigation import account_path
from riskrelay.web.console.pages import Pages
from riskrelay.web.console.visits import Visit

_FIELDS = ("name", "description", "within", "when", "level", "session_revoked", "enabled", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExample:
    """A rule to start from."""

    name: str
    within: str
    when: str
    level: str = ""
    session_revoked: str = ""

    @property
    def filled(self) -> dict[str, str]:
        """The fields of the form."""
        names = ("name", "within", "when", "level", "session_revoked")
        return {**{name: getattr(self, name) for name in names}, "enabled": "yes"}


EXAMPLES: Mapping[str, RuleExample] = {
    "three-lows": RuleExample(
        name="Three low findings of different behaviors",
        within="1d",
        when='$count($distinct(findings[level="low"].behavior)) >= 3',
        level="medium",
    ),
    "two-highs": RuleExample(
        name="Two high findings",
        within="1d",
        when='$count(findings[level="high"]) >= 2',
        level="high",
        session_revoked="yes",
    ),
    "dlp-after-travel": RuleExample(
        name="Data loss soon after impossible travel",
        within="2h",
        when='$min(findings[behavior="imp_travel"].n) < $max(findings[behavior="high_dlp"].n)',
        level="high",
        session_revoked="yes",
    ),
    "same-again": RuleExample(
        name="The same behavior three times",
        within="7d",
        when="findings{behavior: $count($)} ~> $each(function($v) { $v }) ~> $max >= 3",
        level="high",
    ),
}
"""Rules to start from, by the name in the URL."""


class RuleScreens:
    """The handlers of rules."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def show(self, visit: Visit) -> Response:
        """Show the rules, and a form that adds one."""
        example = EXAMPLES.get(visit.query.get("example", ""))
        return await self._page(visit, {"enabled": "yes"} if example is None else example.filled)

    async def show_one(self, visit: Visit) -> Response:
        """Show a rule with a form that changes it."""
        return await self._page(visit, _filled(await self._stored(visit)))

    async def add(self, visit: Visit) -> Response:
        """Add a rule."""
        try:
            await add_rule(self._services, visit.account, visit.actor, _wanted(visit))
        except Invalid as error:
            return await self._page(visit, _given(visit), problems=_problems(error), status=400)
        return self._done(visit, "rule-added")

    async def change(self, visit: Visit) -> Response:
        """Overwrite a rule."""
        rule_id = RuleId(id_of(visit, "rule_id"))
        try:
            await change_rule(self._services, visit.account, visit.actor, rule_id, wanted=_wanted(visit))
        except Invalid as error:
            return await self._page(visit, _given(visit), problems=_problems(error), status=400)
        return self._done(visit, "rule-saved")

    async def delete(self, visit: Visit) -> Response:
        """Delete a rule."""
        await delete_rule(self._services, visit.account, visit.actor, RuleId(id_of(visit, "rule_id")))
        return self._done(visit, "rule-deleted")

    async def attempt(self, visit: Visit) -> Response:
        """Show whether the expression of the form holds for a user. Nothing is stored."""
        given = _given(visit)
        try:
            wanted = _wanted(visit)
            checked = await check_rule(
                self._services, visit.account, wanted.when, wanted.within, email=given["user"], samples=None
            )
        except Invalid as error:
            return await self._page(visit, given, problems=_problems(error), status=400)
        except NotFound:
            problem = {"user": "No user of this account has this email."}
            return await self._page(visit, given, problems=problem, status=400)
        return await self._page(visit, given, checked=checked)

    async def _stored(self, visit: Visit) -> PolicyRule:
        rule_id = RuleId(id_of(visit, "rule_id"))
        return found(await self._services.store.read(visit.account, lambda tx: tx.rules.get(rule_id)))

    async def _page(
        self,
        visit: Visit,
        filled: Mapping[str, str],
        *,
        problems: Mapping[str, str] | None = None,
        checked: RuleCheck | None = None,
        status: int = 200,
    ) -> Response:
        """Return the page of all rules, or of the one in the URL.

        Args:
            problems: the problems of the form, by field.
        """
        changed = await self._stored(visit) if "rule_id" in visit.request.path_params else None
        stored, settings = await self._services.store.read(
            visit.account, lambda tx: (tx.rules.all(), settings_with(tx.behaviors.stored()))
        )
        return self._pages.page(
            visit,
            "rules.html" if changed is None else "rule.html",
            status,
            rules=[(rule, failures, duration_text(rule.within)) for rule, failures in stored],
            changed=changed,
            failures=next((failures for rule, failures in stored if rule == changed), None),
            examples=EXAMPLES,
            settings=settings,
            behaviors=behaviors_in_use(settings),
            levels=[level.word for level in RiskLevel],
            filled=filled,
            problems=problems or {},
            checked=checked,
            most=(MAX_DESCRIPTION_CHARACTERS, MAX_EXPRESSION_CHARACTERS),
            may_change=visit.may(Scope.WRITE),
            may_try=visit.may(Scope.PII_READ),
        )

    def _done(self, visit: Visit, done: str) -> Response:
        return self._pages.see(account_path(visit.account, "rules"), done=done)


def _given(visit: Visit) -> dict[str, str]:
    return {name: visit.form.get(name, "").strip() for name in _FIELDS}


def _wanted(visit: Visit) -> WantedRule:
    """Read the form.

    Raises: Invalid.
    """
    given = _given(visit)
    duration = duration_of(given["within"])
    fields: dict[str, Any] = {
        "name": given["name"],
        "description": given["description"],
        "within_seconds": given["within"] if duration is None else int(duration.total_seconds()),
        "when": given["when"],
        "level": given["level"],
        "enabled": bool(given["enabled"]),
        "session_revoked": bool(given["session_revoked"]),
    }
    return read_fields(RuleBody, fields).wanted()


def _problems(error: Invalid) -> dict[str, str]:
    names = {"within_seconds": "within"}
    return {names.get(name, name): text for name, text in problems_of(error).items()}


def _filled(rule: PolicyRule) -> dict[str, str]:
    return {
        "name": rule.name,
        "description": rule.description or "",
        "within": duration_text(rule.within),
        "when": rule.when,
        "level": "" if rule.level is None else rule.level.word,
        "session_revoked": "yes" if rule.revokes_sessions else "",
        "enabled": "yes" if rule.enabled else "",
    }
