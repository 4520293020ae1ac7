"""Trials: what other rules would have done with the stored findings, and what they would do now."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from riskrelay.actions.rules import require_valid
from riskrelay.actions.trial_results import Effect, Example, Trial
from riskrelay.actions.trials import MAX_DAYS, Proposal, try_rules
from riskrelay.core.credentials import Scope
from riskrelay.core.errors import Fault, FaultKind, Faults, Invalid
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.behaviors import BehaviorId, settings_with
from riskrelay.core.risk.exceptions import ExceptionId, RiskException
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import PolicyRule, RuleId
from riskrelay.core.risk.trials import Level
from riskrelay.ports import Services
from riskrelay.web.account_api.behaviors import BehaviorBody
from riskrelay.web.account_api.bodies import WholeNumber, read_object
from riskrelay.web.account_api.envelope import success
from riskrelay.web.account_api.exceptions import ExceptionBody
from riskrelay.web.account_api.known_behaviors import BehaviorName, known_behaviors
from riskrelay.web.account_api.levels import LevelsBody
from riskrelay.web.account_api.rules import RuleBody
from riskrelay.web.auth import caller_of

_MAX_EXCEPTIONS = 100  # guessed: more than one change has
_MAX_RULES = 50
_WORDS: Mapping[Level, str] = {0: "none", **{int(level): level.word for level in RiskLevel}}


class TryBody(BaseModel):
    """Changed rules: the members mean the same as in the requests that store them."""

    days: Annotated[WholeNumber, Field(ge=1, le=MAX_DAYS)] = 30
    behaviors: dict[BehaviorName, BehaviorBody] = {}
    levels: LevelsBody | None = None
    add_exceptions: Annotated[list[ExceptionBody], Field(max_length=_MAX_EXCEPTIONS)] = []
    add_rules: Annotated[list[RuleBody], Field(max_length=_MAX_RULES)] = []
    remove_rules: Annotated[list[Annotated[str, Field(max_length=36)]], Field(max_length=_MAX_RULES)] = []
    remove_exceptions: Annotated[list[Annotated[str, Field(max_length=36)]], Field(max_length=_MAX_EXCEPTIONS)] = []


class TrialRoutes:
    """The handler of trials."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def attempt(self, request: Request) -> Response:
        """Try changed rules, and store nothing."""
        caller = await caller_of(request, self._services, Scope.PII_READ)
        known = known_behaviors(self._services, caller.account_id)
        await known.complete()
        body = await read_object(request, TryBody, known)
        proposal = await proposal_of(self._services, caller.account_id, body)
        trial = await try_rules(self._services, caller.account_id, proposal, body.days)
        return success(rendered(trial, body.days))


async def proposal_of(services: Services, account_id: AccountId, body: TryBody) -> Proposal:
    """Return the proposal of a body.

    Raises: Invalid: an exception is not accepted, or one to remove does not exist.
    """
    faults, now = Faults(), services.clock.now()
    added: list[RiskException] = []
    for place, one in enumerate(body.add_exceptions):
        try:
            added.append(one.wanted().stored_as(ExceptionId(f"added-{place}"), now))
        except Invalid as error:
            faults.extend([fault.under(f"/add_exceptions/{place}") for fault in error.faults])
    stored, settings = await services.store.read(
        account_id,
        lambda tx: ({one.exception_id for one in tx.exceptions.all()}, settings_with(tx.behaviors.stored())),
    )
    for place, exception_id in enumerate(body.remove_exceptions):
        if exception_id not in stored:
            message = "the account has no exception with this id"
            faults.extend([Fault(FaultKind.WRONG_VALUE, f"/remove_exceptions/{place}", message)])
    rules_added = await _proposed_rules(services, account_id, body, faults)
    faults.refuse()
    return Proposal(
        behaviors={
            BehaviorId(name): replace(
                settings[BehaviorId(name)], enabled=given.enabled, risk_level=RiskLevel.from_word(given.risk_level)
            )
            for name, given in body.behaviors.items()
        },
        times=None if body.levels is None else body.levels.times(),
        added=added,
        removed=[ExceptionId(one) for one in body.remove_exceptions],
        rules_added=rules_added,
        rules_removed=[RuleId(one) for one in body.remove_rules],
    )


async def _proposed_rules(services: Services, account_id: AccountId, body: TryBody, faults: Faults) -> list[PolicyRule]:
    """Return the rules that a body adds, and add what is wrong with its rules to *faults*."""
    added: list[PolicyRule] = []
    for place, one in enumerate(body.add_rules):
        wanted = one.wanted()
        try:
            await require_valid(services, account_id, wanted)
        except Invalid as error:
            faults.extend([fault.under(f"/add_rules/{place}") for fault in error.faults])
        added.append(wanted.stored_as(RuleId(f"added-{place}"), services.clock.now()))
    stored = await services.store.read(account_id, lambda tx: {rule.rule_id for rule, _ in tx.rules.all()})
    for place, rule_id in enumerate(body.remove_rules):
        if rule_id not in stored:
            message = "the account has no rule with this id"
            faults.extend([Fault(FaultKind.WRONG_VALUE, f"/remove_rules/{place}", message)])
    return added


def rendered(trial: Trial, days: int) -> dict[str, Any]:
    """Return a trial in a response."""
    return {
        "past": {
            "days": days,
            "findings": trial.findings,
            "before": _effect(trial.before),
            "after": _effect(trial.after),
            "different_users": trial.differing,
            "examples": _examples(trial.examples),
        },
        "now": {
            "before": _by_word(trial.now_before),
            "after": _by_word(trial.now_after),
            "different_users": trial.now_differing,
            "examples": _examples(trial.now_examples),
        },
        "left_out_rules": trial.left_out,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {"users": _by_word(effect.users), "events": _by_word(effect.events), "sessions_revoked": effect.revocations}


def _by_word(counts: Mapping[Level, int]) -> dict[str, int]:
    return {word: counts.get(level, 0) for level, word in _WORDS.items()}


def _examples(examples: Sequence[Example]) -> list[dict[str, Any]]:
    return [
        {"user_id": one.user_id, "email": one.email, "before": _WORDS[one.before], "after": _WORDS[one.after]}
        for one in examples
    ]
