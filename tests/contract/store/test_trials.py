"""Trials in both stores: what other rules would have done, and would do now; nothing is stored."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace as replace_members
from sqlalchemy.dialects import sqlite

from riskrelay.actions import trials
from riskrelay.actions.behaviors import set_behaviors
from riskrelay.actions.directory import put_entries
from riskrelay.actions.exceptions import WantedException, add_exception
from riskrelay.actions.level_times import set_level_times
from riskrelay.actions.rules import WantedRule, add_rule
from riskrelay.actions.trial_results import Trial
from riskrelay.actions.trials import Proposal, moves_now, try_rules
from riskrelay.actions.users import reset_user
from riskrelay.core.credentials import COMMAND_LINE
from riskrelay.core.errors import RateLimited
from riskrelay.core.risk.behaviors import BehaviorId, BehaviorSetting
from riskrelay.core.risk.exceptions import Coverage, Effect, ExceptionId, RiskException
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import RuleId
from riskrelay.core.risk.rules import Duration, LevelTimes
from riskrelay.core.sources.directory import DirectoryEntry
from riskrelay.core.sources.signals import Name
from riskrelay.mapping.rule_pool import RulePool
from riskrelay.ports import Services, Store
from riskrelay.storage.risk.trials import LAST_USER, RUNS
from support.databases import migrated_sqlite
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, account_with_integration, finding, record

HIGH, MEDIUM, LOW = BehaviorId("high_dlp"), BehaviorId("imp_travel"), BehaviorId("high_risk_domain")
KAI, LOU, PAT = "kai@example.com", "lou@example.com", "pat@example.com"
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def services(store: Store, clock: HandClock) -> Services:
    """Forty days ago kai is high; ten days ago lou is medium, and is reset and low; today pat is low and high."""
    services = services_of(store, clock)
    await account_with_integration(services)
    await record(services, finding(KAI, HIGH))
    clock.pass_time(30 * DAY)
    (change,) = (await record(services, finding(LOU, MEDIUM))).changes
    clock.pass_time(DAY)
    await reset_user(services, ACCOUNT, COMMAND_LINE, change.user_id)
    await record(services, finding(LOU, LOW))
    clock.pass_time(9 * DAY)
    await record(services, finding(PAT, LOW))
    clock.pass_time(timedelta(seconds=1))
    await record(services, finding(PAT, HIGH))
    return services


def exception(covered: str, coverage: Coverage = Coverage.USER) -> RiskException:
    return RiskException(
        exception_id=ExceptionId("tried"),
        coverage=coverage,
        covered=covered,
        behavior=None,
        effect=Effect.IGNORE,
        level=None,
        reason="A trial.",
        ends_at=None,
        created_at=NOON,
    )


async def attempt(services: Services, proposal: Proposal, days: int = 30) -> Trial:
    return await try_rules(services, ACCOUNT, proposal, days)


def emails(trial: Trial) -> tuple[list[str], list[str]]:
    """Users that would have differed, and that would differ now."""
    return sorted(one.email for one in trial.examples), sorted(one.email for one in trial.now_examples)


async def test_without_a_change_both_sides_are_alike(services: Services) -> None:
    """Users by their highest level, events by their new level, and the levels of now."""
    trial = await attempt(services, Proposal())
    assert dict(trial.before.users) == {3: 2, 2: 1}
    assert dict(trial.before.events) == {2: 1, 0: 1, 1: 2, 3: 1}
    assert (trial.before, trial.now_before) == (trial.after, trial.now_after)
    assert dict(trial.now_before) == {3: 2, 1: 1}
    assert (trial.findings, trial.differing, emails(trial)) == (5, 0, ([], []))


async def test_another_level_of_a_behavior(services: Services) -> None:
    """Moves the past and the present of those who triggered it; a disabled behavior has no findings in the past."""
    trial = await attempt(services, Proposal(behaviors={HIGH: BehaviorSetting(True, RiskLevel.LOW)}))
    assert (dict(trial.after.users), dict(trial.now_after)) == ({1: 2, 2: 1}, {1: 3})
    assert emails(trial) == ([KAI, PAT], [KAI, PAT])
    off = await attempt(services, Proposal(behaviors={HIGH: BehaviorSetting(False, RiskLevel.HIGH)}))
    assert dict(off.after.users) == {0: 1, 1: 1, 2: 1}
    assert emails(off) == ([KAI, PAT], [])


async def test_durations(services: Services) -> None:
    """Findings that would have expired end levels in the past and now."""
    times = LevelTimes(durations={one: Duration(expires_after=5 * DAY) for one in (HIGH, LOW)})
    trial = await attempt(services, Proposal(times=times))
    assert dict(trial.after.events) == {2: 1, 0: 2, 1: 2, 3: 1}
    assert dict(trial.after.users) == {0: 1, 2: 1, 3: 1}
    assert dict(trial.now_after) == {0: 2, 3: 1}


async def test_exceptions_are_added_and_removed(services: Services) -> None:
    """For users, patterns and groups; the stored ones count on both sides."""
    assert emails(await attempt(services, Proposal(added=[exception(KAI)]))) == ([KAI], [KAI])
    pattern = exception("*@example.com", Coverage.PATTERN)
    everyone = await attempt(services, Proposal(added=[pattern]))
    assert (dict(everyone.after.users), dict(everyone.after.events)) == ({0: 3}, {})
    entry = DirectoryEntry(name=Name(kind="upn", value="lou"), email=LOU, groups=("Sales",))
    await put_entries(services, ACCOUNT, COMMAND_LINE, [entry])
    assert emails(await attempt(services, Proposal(added=[exception("sales", Coverage.GROUP)]))) == ([LOU], [LOU])
    stored = await add_exception(services, ACCOUNT, COMMAND_LINE, WantedException.of(exception(PAT), None))
    assert dict((await attempt(services, Proposal())).before.users) == {3: 1, 2: 1, 0: 1}
    assert emails(await attempt(services, Proposal(removed=[stored.exception_id]))) == ([PAT], [PAT])


async def test_a_trial_stores_nothing_and_runs_once_at_a_time(services: Services) -> None:
    """A second one of the account is refused until the first has ended."""
    before = await services.store.read(ACCOUNT, lambda tx: tx.users.at_risk(UserId(""), 10))
    proposal = Proposal(added=[exception("*@example.com", Coverage.PATTERN)])
    first = asyncio.create_task(attempt(services, proposal))
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await attempt(services, proposal)
    await first
    await attempt(services, proposal)
    assert await services.store.read(ACCOUNT, lambda tx: tx.users.at_risk(UserId(""), 10)) == before
    assert await services.store.read(ACCOUNT, lambda tx: tx.exceptions.count()) == 0


async def test_what_a_new_level_of_a_behavior_would_do_now(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """What setting it does: durations, exceptions and groups count, also for users without a level; in pages of one."""
    monkeypatch.setattr(trials, "_USERS_AT_ONCE", 1)
    short = Duration(expires_after=timedelta(seconds=1), medium=3_000 * DAY)
    times = LevelTimes(durations={HIGH: short, LOW: short})
    await set_level_times(services, ACCOUNT, COMMAND_LINE, times)
    entry = DirectoryEntry(name=Name(kind="upn", value="pat"), email=PAT, groups=("Sales",))
    await put_entries(services, ACCOUNT, COMMAND_LINE, [entry])
    ignoring = exception("Sales", Coverage.GROUP)
    await add_exception(services, ACCOUNT, COMMAND_LINE, WantedException.of(ignoring, None))
    before = await levels(services)
    wanted = {HIGH: BehaviorSetting(True, RiskLevel.LOW), LOW: BehaviorSetting(True, RiskLevel.HIGH)}
    told = await moves_now(services, ACCOUNT, wanted)
    assert await levels(services) == before
    await set_behaviors(services, ACCOUNT, COMMAND_LINE, wanted)
    after = await levels(services)
    moved = Counter((before[email] or 0, after[email] or 0) for email in before if before[email] != after[email])
    assert told == moved
    assert before == {KAI: RiskLevel.MEDIUM, LOU: None, PAT: None}
    assert moved == {(2, 0): 1, (0, 2): 1}


async def levels(services: Services) -> dict[str, RiskLevel | None]:
    """The levels of all users that triggered something."""
    users = await services.store.read(ACCOUNT, lambda tx: tx.users.at_risk(UserId(""), 10))
    return {one.email: one.level for one in users}


async def test_users_are_read_in_pages_of_few_findings(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page ends with the user whose findings exceed it, and the result is the same for pages of any size."""
    proposal = Proposal(behaviors={HIGH: BehaviorSetting(True, RiskLevel.LOW)})
    whole = await attempt(services, proposal)
    for users, findings, pages in ((500, 0, 3), (500, 1, 2), (500, 2, 2), (2, 5_000, 2), (500, 5_000, 1)):
        monkeypatch.setattr(trials, "_USERS_AT_ONCE", users)
        monkeypatch.setattr(trials, "_FINDINGS_AT_ONCE", findings)
        assert await attempt(services, proposal) == whole
        last, sizes = UserId(""), []
        while page := await services.store.read(
            ACCOUNT,
            lambda tx, last=last, users=users, findings=findings: tx.trials.users(last, users, findings),  # type: ignore[misc]
        ):
            last = page.last
            sizes.append(len(page.users))
        assert (sum(sizes), len(sizes)) == (3, pages)


async def test_a_trial_reads_no_row_of_a_finding(tmp_path: Path) -> None:
    """The index has all that it needs, in the order of users and their resets."""
    await migrated_sqlite(tmp_path / "database").close()
    with closing(sqlite3.connect(tmp_path / "database")) as connection:
        for query in (RUNS, LAST_USER):
            asked = query.params(account="a", after="", last="z", most=1)
            compiled = asked.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
            plan = connection.execute(f"EXPLAIN QUERY PLAN {compiled}").fetchall()
            assert len(plan) == 1
            assert "USING COVERING INDEX findings_user_index" in plan[0][3]


async def test_rules_are_tried(services: Services) -> None:
    """Proposed rules, and the rules of the account when another change is tried: levels and revocations."""
    pool = RulePool()
    services = replace(services, rule_evaluator=pool)
    two = WantedRule(
        name="Two",
        description=None,
        enabled=True,
        within=DAY,
        when="$count(findings) >= 2",
        level=RiskLevel.HIGH,
        revokes_sessions=True,
    )
    again = Proposal(behaviors={HIGH: BehaviorSetting(True, RiskLevel.LOW)})
    added = Proposal(rules_added=[two.stored_as(RuleId("added"), NOON)])
    trial = await try_rules(services, ACCOUNT, added, 20)
    assert (trial.before.revocations, trial.after.revocations, trial.differing) == (0, 1, 1)
    assert trial.before.users == trial.after.users
    assert (await try_rules(services, ACCOUNT, again, 20)).after.users[3] == 0
    rule = await add_rule(services, ACCOUNT, COMMAND_LINE, two)
    trial = await try_rules(services, ACCOUNT, again, 20)
    assert (trial.before.revocations, trial.after.revocations, trial.after.users[3]) == (1, 1, 1)
    assert trial.now_after[3] == 1
    removed = replace_members(again, rules_removed=[rule.rule_id])
    trial = await try_rules(services, ACCOUNT, removed, 20)
    assert (trial.after.revocations, trial.after.users[3], trial.now_after[3]) == (0, 0, 0)
    named = WantedRule(**{**msgspec.structs.asdict(two), "when": 'findings[source="Okta"]', "name": "Named"})
    trial = await try_rules(services, ACCOUNT, Proposal(rules_added=[named.stored_as(RuleId("named"), NOON)]), 20)
    assert trial.left_out == ["Named"]
    pool.close()
