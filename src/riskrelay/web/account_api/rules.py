"""Rules that combine findings, over the API."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.rule_checks import RuleCheck, SampleFinding, check_rule
from riskrelay.actions.rules import WantedRule, add_rule, change_rule, delete_rule
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Invalid, found
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import (
    MAX_RULE_FINDINGS,
    MAX_WITHIN,
    MIN_WITHIN,
    PolicyRule,
    RuleId,
    expression_problem,
    rule_description_problem,
    rule_name_problem,
)
from riskrelay.ports import RuleFailures, Services
from riskrelay.web.account_api.behaviors import Level
from riskrelay.web.account_api.bodies import PlainText, WholeNumber, read_object, without_problem
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.known_behaviors import BehaviorName, known_behaviors
from riskrelay.web.auth import caller_of

_SECOND = timedelta(seconds=1)

Within = Annotated[WholeNumber, Field(ge=MIN_WITHIN // _SECOND, le=MAX_WITHIN // _SECOND)]
When = Annotated[str, without_problem(expression_problem)]


class RuleBody(BaseModel):
    """A rule; other members are ignored."""

    name: Annotated[str, without_problem(rule_name_problem)]
    description: Annotated[str, without_problem(rule_description_problem)] | None = None
    enabled: bool = True
    within_seconds: Within
    when: When
    level: Level | None = None
    session_revoked: bool = False

    def wanted(self) -> WantedRule:
        """Return the same rule as a record of the domain."""
        return WantedRule(
            name=self.name,
            description=self.description or None,
            enabled=self.enabled,
            within=self.within_seconds * _SECOND,
            when=self.when,
            level=None if self.level is None else RiskLevel.from_word(self.level),
            revokes_sessions=self.session_revoked,
        )


class SampleBody(BaseModel):
    """A finding to check an expression with."""

    behavior: BehaviorName
    seconds_ago: Annotated[WholeNumber, Field(ge=0, le=MAX_WITHIN // _SECOND)] = 0
    source: Annotated[PlainText, Field(max_length=255)] | None = None


class CheckBody(BaseModel):
    """An expression, and the findings to check it with: those of a user, or samples."""

    within_seconds: Within
    when: When
    user: Annotated[PlainText, Field(max_length=320)] | None = None
    findings: Annotated[list[SampleBody], Field(max_length=MAX_RULE_FINDINGS)] | None = None

    def samples(self) -> list[SampleFinding] | None:
        """Return the samples as records of the domain."""
        if self.findings is None:
            return None
        return [SampleFinding(BehaviorId(one.behavior), one.seconds_ago * _SECOND, one.source) for one in self.findings]


class RuleRoutes:
    """The handlers of rules."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_all(self, request: Request) -> Response:
        """Return all rules, oldest first."""
        caller = await caller_of(request, self._services, Scope.READ)
        stored = await self._services.store.read(caller.account_id, lambda tx: tx.rules.all())
        return success([rendered(rule, failures) for rule, failures in stored])

    async def add(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        wanted = (await read_object(request, RuleBody)).wanted()
        return success(rendered(await add_rule(self._services, caller.account_id, caller.actor, wanted)))

    async def get(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.READ)
        rule_id = _rule_id(request)
        stored = await self._services.store.read(caller.account_id, lambda tx: tx.rules.all())
        rule, failures = found(next((one for one in stored if one[0].rule_id == rule_id), None))
        return success(rendered(rule, failures))

    async def change(self, request: Request) -> Response:
        """Overwrite a rule."""
        caller = await caller_of(request, self._services, Scope.WRITE)
        wanted = (await read_object(request, RuleBody)).wanted()
        changed = await change_rule(self._services, caller.account_id, caller.actor, _rule_id(request), wanted=wanted)
        return success(rendered(changed))

    async def delete(self, request: Request) -> Response:
        caller = await caller_of(request, self._services, Scope.WRITE)
        await delete_rule(self._services, caller.account_id, caller.actor, _rule_id(request))
        return success({})

    async def check(self, request: Request) -> Response:
        """Evaluate an expression for a user or for samples, and store nothing."""
        caller = await caller_of(request, self._services, Scope.PII_READ)
        known = known_behaviors(self._services, caller.account_id)
        await known.complete()
        body = await read_object(request, CheckBody, known)
        if (body.user is None) == (body.findings is None):
            raise Invalid([Fault(FaultKind.REQUIRED, "", "must have exactly one of user and findings")])
        within = body.within_seconds * _SECOND
        checked = await check_rule(
            self._services, caller.account_id, body.when, within, email=body.user, samples=body.samples()
        )
        return success(rendered_check(checked))


def rendered(rule: PolicyRule, failures: RuleFailures | None = None) -> dict[str, Any]:
    """Return a rule in a response. A client can send it back to change it.

    Args:
        failures: None: the rule has none, because it was just stored.
    """
    failed_at = None if failures is None else failures.at
    return {
        "id": rule.rule_id,
        "name": rule.name,
        "description": rule.description,
        "enabled": rule.enabled,
        "within_seconds": rule.within // _SECOND,
        "when": rule.when,
        "level": None if rule.level is None else rule.level.word,
        "session_revoked": rule.revokes_sessions,
        "stopped": None if rule.stopped is None else rule.stopped.value,
        "failures": {
            "count": 0 if failures is None else failures.count,
            "last_at": None if failed_at is None else _moment(failed_at),
            "last": None if failures is None else failures.failure,
        },
        "created_at": _moment(rule.created_at),
    }


def rendered_check(checked: RuleCheck) -> dict[str, Any]:
    """Return the result of a check in a response."""
    return {
        "holds": checked.holds,
        "failure": checked.failure,
        "findings": [
            {
                "behavior": one.behavior,
                "risk_level": one.level.word,
                "timestamp": _moment(one.at),
                "is_used": one in checked.used,
            }
            for one in checked.seen
        ],
    }


def _moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _rule_id(request: Request) -> RuleId:
    return RuleId(request.path_params["rule_id"])
