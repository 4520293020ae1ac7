"""Rules combine findings: once for each user and change, whatever happens meanwhile. On both engines."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace as replace_member
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast

import pytest
from msgspec.structs import replace

from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.due_levels import DueLevels
from riskrelay.actions.exceptions import WantedException, add_exception
from riskrelay.actions.level_times import set_level_times
from riskrelay.actions.rules import WantedRule, add_rule, change_rule, delete_rule
from riskrelay.actions.users import reset_user
from riskrelay.core.audit import Kind
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import Invalid, NotFound
from riskrelay.core.integrations import AccountId
from riskrelay.core.quotas import Quotas
from riskrelay.core.risk.assessment import Standing
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import Coverage, Effect
from riskrelay.core.risk.findings import Finding
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import PolicyRule, StopReason
from riskrelay.core.risk.rules import Duration, LevelTimes
from riskrelay.core.ssf.event_type import CAEP_RISK_LEVEL_CHANGE, CAEP_SESSION_REVOKED
from riskrelay.core.ssf.subjects import email_subject, subject_key
from riskrelay.mapping.rule_pool import RulePool
from riskrelay.mapping.rule_programs import RulePrograms, rule_problem
from riskrelay.ports import (
    RULES_LEASE,
    Evaluated,
    NoRuleEvaluator,
    PastChange,
    RuleEvaluator,
    RuleFailures,
    Services,
    Store,
    Transaction,
)
from support.database_time import pass_time
from support.receiver_world import receiver_world
from support.services import HandClock, services_of
from support.world import ACCOUNT, account_with_integration, finding, record

pytestmark = pytest.mark.usefixtures("drop_expressions")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KAI, LOU = "kai@example.com", "lou@example.com"
LOWS = ("high_risk_domain", "crowdstrike_medium_zta")
DLP_FOR_A_DAY = {BehaviorId("high_dlp"): Duration(expires_after=DAY)}
_DEEP = "$f := function($n) { $n > 0 ? $f($n - 1) : 1 }; $map([1..9999], function($i) { $f(9999) })"
SLOW = f"findings[0] ? ({_DEEP}) : false"
BOTH = WantedRule(
    name="Two lows",
    description=None,
    enabled=True,
    within=DAY,
    when='$count($distinct(findings[level="low"].behavior)) >= 2',
    level=RiskLevel.MEDIUM,
    revokes_sessions=False,
)


@cache
def _programs(expressions: tuple[str, ...]) -> RulePrograms:
    """Compile expressions once, and keep them: they must not be dropped by another thread."""
    return RulePrograms(expressions)


class EvaluatorHere(NoRuleEvaluator):
    """Evaluates in this process: starting one would take most of the time of a test."""

    async def problem(self, when: str, owner: AccountId) -> str | None:
        return rule_problem(when)

    async def evaluate(
        self, groups: Sequence[Sequence[str]], inputs: Sequence[tuple[int, str]], owner: AccountId
    ) -> Evaluated:
        programs = [_programs(tuple(group)) for group in groups]
        return Evaluated([programs[group].evaluate(text) for group, text in inputs], {})


@pytest.fixture
async def pool() -> AsyncIterator[RulePool]:
    """Evaluates in processes."""
    pool = RulePool()
    yield pool
    pool.close()


@pytest.fixture
async def services(store: Store) -> Services:
    """An account without durations; its clock is the database's."""
    services = replace_member(services_of(store, HandClock(datetime.now(UTC))), rule_evaluator=EvaluatorHere())
    await account_with_integration(services)
    return services


async def add(services: Services, wanted: WantedRule = BOTH) -> PolicyRule:
    return await add_rule(services, ACCOUNT, COMMAND_LINE, wanted)


def of(services: Services, email: str, behavior: str, ago: timedelta = timedelta(0)) -> Finding:
    return replace(finding(email, behavior), occurred_at=services.clock.now() - ago)


async def decide(services: Services, per_second: int = 500) -> None:
    chore = DueLevels(services, per_second)
    while await chore.decide():
        pass
    await chore.stop()


async def standing(services: Services, email: str = KAI) -> Standing:
    (found,) = await services.store.read(ACCOUNT, lambda tx: tx.user_views.by_email(email, None, 10))
    return found


def all_rules(tx: Transaction) -> Sequence[tuple[PolicyRule, RuleFailures]]:
    return tx.rules.all()


async def history(services: Services, email: str = KAI) -> list[PastChange]:
    user_id = (await standing(services, email)).user_id
    return await services.store.read(ACCOUNT, lambda tx: tx.level_history.page(user_id, None, 100))


async def events_about(services: Services, email: str = KAI) -> list[dict[str, object]]:
    """The members of the security events about a user, newest first."""
    key = subject_key(email_subject(email))
    events = await services.store.read(ACCOUNT, lambda tx: tx.user_views.events_page(key, None, 100))
    return [next(iter(one.event.values())) for one in events]


async def test_a_rule_raises_a_level_until_its_findings_leave_its_time(services: Services) -> None:
    """The event and the history name the rule and the findings; afterwards the behaviors decide."""
    rule = await add(services)
    await record(services, of(services, KAI, LOWS[0], ago=2 * HOUR), of(services, KAI, LOWS[1], ago=HOUR))
    assert (await standing(services)).level is RiskLevel.LOW
    await decide(services)
    kai = await standing(services)
    assert (kai.level, list(kai.holding)) == (RiskLevel.MEDIUM, [rule.rule_id])
    assert kai.next_change_at == services.clock.now() - 2 * HOUR + DAY
    raised, _ = await history(services)
    assert (raised.kind, [one.name for one in raised.rules], len(raised.findings)) == ("rule", ["Two lows"], 2)
    assert sorted(raised.behaviors) == sorted(LOWS)
    event = (await events_about(services))[0]
    assert (event["previous_level"], event["current_level"]) == ("low", "medium")
    assert event["initiating_entity"] == "policy"
    assert str(event["reason_admin"]).startswith("{'en': 'Rule \"Two lows\": ")
    await decide(services)
    assert len(await history(services)) == 2
    await pass_time(services.store, 22 * HOUR)
    await decide(services)
    kai = await standing(services)
    assert (kai.level, kai.holding, kai.next_change_at) == (RiskLevel.LOW, {}, None)
    lowered = (await history(services))[0]
    assert (lowered.kind, lowered.rules[0].name) == ("rule", "Two lows")
    assert lowered.reason.startswith('No longer applies: rule "Two lows"; remaining: ')


async def test_many_nodes_move_each_user_once(services: Services) -> None:
    """Any node can evaluate. A node that died delays the others until its lease ends."""
    await add(services)
    emails = [f"u{number}@example.com" for number in range(30)]
    await record(services, *(of(services, email, low) for email in emails for low in LOWS))
    nodes = [DueLevels(services, 500) for _ in range(8)]
    await asyncio.gather(*(node.decide() for node in nodes))
    assert [len(await history(services, email)) for email in emails] == [2] * 30
    await record(services, of(services, "late@example.com", LOWS[0]), of(services, "late@example.com", LOWS[1]))
    await pass_time(services.store, RULES_LEASE)
    assert await services.store.write(ACCOUNT, lambda tx: tx.rule_work.claim("a node that dies"))
    await decide(services)
    assert len(await history(services, "late@example.com")) == 1
    await pass_time(services.store, RULES_LEASE)
    await decide(services)
    assert len(await history(services, "late@example.com")) == 2


class Between:
    """Does something after the rules were evaluated, before the result is written."""

    def __init__(self, pool: RuleEvaluator, then: Callable[[], Awaitable[object]]) -> None:
        self._pool = pool
        self._then = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def evaluate(self, *order: Any) -> Evaluated:
        evaluated = await self._pool.evaluate(*order)
        await self._then()
        return evaluated


@pytest.mark.parametrize("meanwhile", ["finding", "reset", "rule", "behavior"])
async def test_a_result_is_not_written_after_a_change(services: Services, meanwhile: str) -> None:
    """The user is still due, or was evaluated again: the result is that of the new findings and rules."""
    rule = await add(services, replace(BOTH, revokes_sessions=True))
    await decide(services)
    await record(services, of(services, KAI, LOWS[0]), of(services, KAI, LOWS[1]))
    done: list[str] = []

    async def change() -> None:
        if done:
            return
        done.append(meanwhile)
        if meanwhile == "finding":
            await record(services, of(services, KAI, "high_dlp"))
        elif meanwhile == "reset":
            await reset_user(services, ACCOUNT, COMMAND_LINE, (await standing(services)).user_id)
        elif meanwhile == "rule":
            await change_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id, replace(BOTH, level=RiskLevel.HIGH))
        else:
            low = await services.store.read(ACCOUNT, lambda tx: tx.levels.rules().behaviors[BehaviorId(LOWS[0])])
            medium = replace_member(low, risk_level=RiskLevel.MEDIUM)
            await set_behaviors(services, ACCOUNT, COMMAND_LINE, {BehaviorId(LOWS[0]): medium})

    between = replace_member(services, rule_evaluator=cast(RuleEvaluator, Between(services.rule_evaluator, change)))
    await DueLevels(between, 500).decide()
    kai = await standing(services)
    assert (kai.holding, done) == ({}, [meanwhile])
    await pass_time(services.store, RULES_LEASE)
    await decide(services)
    kai = await standing(services)
    levels = {"finding": RiskLevel.HIGH, "reset": None, "rule": RiskLevel.HIGH, "behavior": RiskLevel.MEDIUM}
    assert (kai.level, bool(kai.holding)) == (levels[meanwhile], meanwhile in ("finding", "rule"))


async def test_a_changed_rule_is_evaluated_for_all_users_at_risk(services: Services) -> None:
    """When it is added, changed, disabled and deleted; some pages of users, and only so many changes in a second."""
    emails = [f"u{number:03}@example.com" for number in range(7)]
    await record(services, *(of(services, email, low) for email in emails for low in LOWS))
    rule = await add(services)
    assert await services.store.read(ACCOUNT, lambda tx: tx.levels.rules().policies.longest) == DAY

    async def levels() -> set[RiskLevel | None]:
        return {(await standing(services, email)).level for email in emails}

    await decide(services, per_second=100_000)
    assert await levels() == {RiskLevel.MEDIUM}
    await change_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id, replace(BOTH, level=RiskLevel.HIGH))
    await decide(services, per_second=100_000)
    assert await levels() == {RiskLevel.HIGH}
    await change_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id, replace(BOTH, enabled=False))
    await decide(services, per_second=100_000)
    assert await levels() == {RiskLevel.LOW}
    await change_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id, BOTH)
    await decide(services, per_second=100_000)
    await delete_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id)
    assert await services.store.read(ACCOUNT, lambda tx: tx.rules.all()) == []
    await decide(services, per_second=100_000)
    assert await levels() == {RiskLevel.LOW}
    assert (await history(services, emails[0]))[0].reason.startswith('No longer applies: rule "Two lows"')
    assert not await services.store.read(ACCOUNT, lambda tx: tx.levels.rules().policies)


async def test_users_above_the_pace_move_in_the_next_second(services: Services) -> None:
    """A walk and due users keep the limit of all processes, and go on where they stopped."""
    emails = [f"u{number:03}@example.com" for number in range(5)]
    await record(services, *(of(services, email, low) for email in emails for low in LOWS))
    await add(services)
    await services.store.write_installation(lambda tx: tx.due_levels.take_turn(3, 5))
    chore = DueLevels(services, 5)
    found = await chore.decide()
    moved = [email for email in emails if (await standing(services, email)).holding]
    assert (found, len(moved)) in ((0, 2), (1, 5))  # the second may end in between
    await services.store.write_installation(lambda tx: tx.due_levels.take_turn(0, 5))
    while len([email for email in emails if (await standing(services, email)).holding]) < 5:
        await chore.decide()
    assert [len(await history(services, email)) for email in emails] == [2] * 5


async def test_sessions_are_revoked_once_for_each_time_a_rule_begins_to_hold(services: Services) -> None:
    """On streams that take session-revoked, after the level change; again only when the rule did not hold meanwhile."""
    async with receiver_world(services) as world:  # its new stream begins with a verification
        stream = (await world.create(events_requested=[CAEP_RISK_LEVEL_CHANGE, CAEP_SESSION_REVOKED]))["stream_id"]
        await add(services, replace(BOTH, revokes_sessions=True, level=None))
        await record(services, of(services, KAI, LOWS[0], ago=HOUR), of(services, KAI, LOWS[1], ago=HOUR))
        await decide(services)
        await record(services, of(services, KAI, LOWS[0]))
        await decide(services)
        _, raised, revoked = [claims["events"] for claims in await world.drain(stream)]
        assert (list(raised), list(revoked)) == ([CAEP_RISK_LEVEL_CHANGE], [CAEP_SESSION_REVOKED])
        said = revoked[CAEP_SESSION_REVOKED]
        assert (said["initiating_entity"], said["reason_admin"]) == ("policy", {"en": 'Rule "Two lows"'})
        (change, _) = await history(services)
        assert (change.previous, change.current, change.revoking[0].name) == (*[RiskLevel.LOW] * 2, "Two lows")
        await pass_time(services.store, 2 * DAY)
        await decide(services)
        assert (await standing(services)).holding == {}
        await record(services, of(services, KAI, LOWS[0]), of(services, KAI, LOWS[1]))
        await decide(services)
        assert [list(claims["events"]) for claims in await world.drain(stream)] == [[CAEP_SESSION_REVOKED]]


async def test_rules_that_fail_or_exceed_their_limits_cost_only_themselves(services: Services, pool: RulePool) -> None:
    """A failing one is counted; one that takes too long is stopped until it is changed. The others hold."""
    services = replace_member(services, rule_evaluator=pool)
    failing = await add(services, replace(BOTH, name="Fails", when="$number(findings[0].behavior) > 1"))
    slow = await add(services, replace(BOTH, name="Slow", when=SLOW))
    await add(services)
    await record(services, of(services, KAI, LOWS[0]), of(services, KAI, LOWS[1]))
    await decide(services)
    assert (await standing(services)).level is RiskLevel.MEDIUM
    stored = {rule.rule_id: (rule, failures) for rule, failures in await services.store.read(ACCOUNT, all_rules)}
    assert stored[slow.rule_id][0].stopped is StopReason.TOO_SLOW
    assert (stored[failing.rule_id][0].stopped, stored[failing.rule_id][1].count) == (None, 1)
    assert stored[failing.rule_id][1].failure == "a value cannot be converted to a number (D3030)"
    ailing = await services.store.read_installation(lambda tx: tx.ailing_rules(10))
    assert [(one.rule_id, one.is_stopped, one.failures) for one in ailing] == [
        (failing.rule_id, False, 1),
        (slow.rule_id, True, 0),
    ]
    changed = await change_rule(services, ACCOUNT, COMMAND_LINE, slow.rule_id, replace(BOTH, name="Slow"))
    assert changed.stopped is None
    await decide(services)
    assert len((await standing(services)).holding) == 2


async def test_levels_by_behaviors_do_not_wait_for_rules(services: Services) -> None:
    """While no process can evaluate rules, durations end levels; users are evaluated later."""
    await set_level_times(services, ACCOUNT, COMMAND_LINE, LevelTimes(durations=DLP_FOR_A_DAY))
    await add(services)
    without = replace_member(services, rule_evaluator=NoRuleEvaluator())
    await decide(services)
    await record(services, of(services, KAI, "high_dlp", ago=DAY - HOUR))
    await record(services, of(services, LOU, LOWS[0]), of(services, LOU, LOWS[1]))
    await decide(without)
    assert (await standing(services)).level is RiskLevel.HIGH
    await pass_time(services.store, 2 * HOUR)
    await decide(without)
    assert (await standing(services)).level is None
    assert (await standing(services, LOU)).level is RiskLevel.LOW
    await pass_time(services.store, timedelta(seconds=20))
    await decide(services)
    assert (await standing(services, LOU)).level is RiskLevel.MEDIUM


async def test_findings_count_as_exceptions_and_resets_say(services: Services) -> None:
    """An ignored behavior is not seen, and nothing from before the last reset."""
    await add(services)
    ignored = WantedException(
        coverage=Coverage.USER,
        covered=LOU,
        behavior=BehaviorId(LOWS[0]),
        effect=Effect.IGNORE,
        level=None,
        reason="Expected",
        ends_at=None,
    )
    await add_exception(services, ACCOUNT, COMMAND_LINE, ignored)
    await record(services, *(of(services, email, low) for email in (KAI, LOU) for low in LOWS))
    await decide(services)
    assert (await standing(services)).level is RiskLevel.MEDIUM
    assert (await standing(services, LOU)).level is RiskLevel.LOW
    await reset_user(services, ACCOUNT, COMMAND_LINE, (await standing(services)).user_id)
    await record(services, of(services, KAI, LOWS[0]))
    await decide(services)
    kai = await standing(services)
    assert (kai.level, kai.holding) == (RiskLevel.LOW, {})


async def test_only_accounts_with_enabled_rules_make_users_due(services: Services) -> None:
    """Findings that are older than the longest time of all rules make no user due either."""
    await record(services, of(services, KAI, LOWS[0]))
    assert (await standing(services)).next_change_at is None
    rule = await add(services)
    await decide(services)
    await record(services, of(services, KAI, LOWS[1], ago=2 * DAY))
    assert (await standing(services)).next_change_at is None
    await record(services, of(services, KAI, LOWS[1]))
    assert (await standing(services)).next_change_at is not None
    await change_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id, replace(BOTH, enabled=False))
    await decide(services)
    await record(services, of(services, LOU, LOWS[1]))
    assert (await standing(services, LOU)).next_change_at is None


async def test_rules_are_checked_bounded_and_audited(services: Services) -> None:
    """A rule without an effect, one that is no JSONata, and one above the quota are refused."""
    refused = [
        (replace(BOTH, level=None), "/level"),
        (replace(BOTH, when="findings["), "/when"),
        (replace(BOTH, when="$count(findings)"), "/when"),
        (replace(BOTH, when="$frobnicate(findings)"), "/when"),
    ]
    for wanted, pointer in refused:
        with pytest.raises(Invalid) as caught:
            await add(services, wanted)
        assert caught.value.faults[0].pointer == pointer
    rule = await add(services)
    assert await add(services) == rule
    few = replace_member(services, quotas=Quotas(rules=1))
    with pytest.raises(Invalid):
        await add(few, replace(BOTH, name="Another"))
    await delete_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id)
    with pytest.raises(NotFound):
        await delete_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id)
    entries = await services.store.read(ACCOUNT, lambda tx: tx.audit.page(Kind.RULE, None, 10))
    assert [entry.verb for entry in entries] == ["deleted", "created"]


async def test_a_first_finding_that_gives_nothing_is_evaluated_for_one_user_only(services: Services) -> None:
    """Later users with it are not due, until they have another one, or the rules or the durations change."""

    async def is_due(email: str) -> bool:
        await record(services, of(services, email, LOWS[0]))
        return (await standing(services, email)).next_change_at is not None

    rule = await add(services)
    assert await is_due(KAI)
    await decide(services)
    assert not await is_due(LOU)
    assert (await standing(services, LOU)).level is RiskLevel.LOW
    await record(services, of(services, LOU, LOWS[1]))
    await decide(services)
    assert (await standing(services, LOU)).level is RiskLevel.MEDIUM
    alone = replace(BOTH, when="$count(findings) = 1")
    await change_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id, alone)
    assert await is_due("pat@example.com")
    await decide(services)
    assert await is_due("sam@example.com")
    await decide(services)
    assert (await standing(services, "sam@example.com")).level is RiskLevel.MEDIUM
    await change_rule(services, ACCOUNT, COMMAND_LINE, rule.rule_id, BOTH)
    await decide(services)
    await set_level_times(services, ACCOUNT, COMMAND_LINE, LevelTimes(durations=DLP_FOR_A_DAY))
    assert await is_due("ulf@example.com")


async def test_a_rule_that_fails_is_evaluated_for_every_first_finding(services: Services) -> None:
    """So that its failures are counted."""
    await add(services, replace(BOTH, when="findings[0].level + 1 > 2"))
    counts: list[int] = []
    for place in range(3):
        await record(services, of(services, f"user{place}@example.com", LOWS[0]))
        await decide(services)
        ((_, failures),) = await services.store.read(ACCOUNT, all_rules)
        counts.append(failures.count)
    assert counts == [counts[0], counts[0] + 1, counts[0] + 2]
