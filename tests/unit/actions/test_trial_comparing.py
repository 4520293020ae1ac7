"""Comparing rules on read users gives what the rules themselves decide, in whatever order findings were read."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from riskrelay.actions.trial_comparing import Comparing
from riskrelay.actions.trial_results import Trial
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import Standing, decided_again
from riskrelay.core.risk.behaviors import DEFAULT_SETTINGS, BehaviorId
from riskrelay.core.risk.exceptions import Coverage, Effect, ExceptionId, Exceptions, RiskException
from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.policy_rules import PolicyRule, PolicyRules, RuleId
from riskrelay.core.risk.rules import Duration, LevelRules, LevelTimes
from riskrelay.ports import NoRuleEvaluator, PastRun, PastUser, PastUsers
from support.services import NOON

HIGH, MEDIUM, LOW = BehaviorId("high_dlp"), BehaviorId("imp_travel"), BehaviorId("high_risk_domain")
BEHAVIORS = st.sampled_from([HIGH, MEDIUM, LOW])
SECOND, MICROS = timedelta(seconds=1), 1_000_000
NOW = int(NOON.timestamp())
COVERED = RiskException(
    exception_id=ExceptionId("e"),
    coverage=Coverage.PATTERN,
    covered="svc-*",
    behavior=None,
    effect=Effect.CAP,
    level=RiskLevel.LOW,
    reason="A trial.",
    ends_at=None,
    created_at=NOON,
)
STOPPED = PolicyRule(
    rule_id=RuleId("r"),
    name="Rule",
    description=None,
    enabled=True,
    within=timedelta(days=1),
    when='findings[source="Okta"]',  # not evaluated in trials
    level=RiskLevel.MEDIUM,
    revokes_sessions=False,
    created_at=NOON,
)
DURATIONS = st.dictionaries(
    BEHAVIORS,
    st.builds(
        lambda expires, low: Duration(expires_after=expires * SECOND, low=low * SECOND),
        st.integers(1, 40),
        st.integers(0, 20),
    ),
)
RULES = st.builds(
    lambda durations, between, exceptions, policies: LevelRules(
        behaviors=DEFAULT_SETTINGS,
        times=LevelTimes(durations=durations, between_events=between * SECOND),
        as_of=NOON,
        exceptions=Exceptions(exceptions, NOON),
        policies=PolicyRules(policies),
    ),
    DURATIONS,
    st.integers(0, 60),
    st.sampled_from([(), (COVERED,)]),
    st.sampled_from([(), (STOPPED,)]),
)
PLAIN = LevelRules(behaviors=DEFAULT_SETTINGS, as_of=NOON)


def compared(rules: LevelRules, *pages: PastUsers) -> Trial:
    async def run() -> Trial:
        comparing = Comparing(PLAIN, rules, NOON - 60 * SECOND, NOON)
        for page in pages:
            await comparing.add(page, None, NoRuleEvaluator(), AccountId("a"))
        return comparing.finished()

    return asyncio.run(run())


def past_user(standing: Standing) -> PastUser:
    at = {one: int(when.timestamp()) * MICROS for one, when in standing.triggered_at.items()}
    held = {one: int(when.timestamp()) * MICROS for one, when in standing.holding.items()}
    return PastUser(
        user_id=standing.user_id,
        email=standing.email,
        level=standing.level or 0,
        triggered=",".join(sorted(standing.triggered)),
        resets=0,
        last_reset_at=None,
        last_event_at=None if standing.last_event_at is None else int(standing.last_event_at.timestamp()) * MICROS,
        changed_at=None if standing.changed_at is None else int(standing.changed_at.timestamp()) * MICROS,
        triggered_at=msgspec.json.encode(at).decode() if at else None,
        holding=msgspec.json.encode(held).decode() if held else None,
    )


AGES = st.integers(-400, 80).map(lambda seconds: NOON - seconds * SECOND)
STANDINGS = st.builds(
    lambda email, level, triggered, last, changed, holding: Standing(
        user_id=UserId("u"),
        email=email,
        name=None,
        level=level,
        triggered=frozenset(triggered),
        triggered_at={one: at for one, at in triggered.items() if at is not None},
        last_event_at=last,
        changed_at=changed,
        holding={RuleId("r"): NOON} if holding else {},
    ),
    st.sampled_from(["Kai@example.com", "svc-backup@example.com"]),
    st.none() | st.sampled_from(RiskLevel),
    st.dictionaries(BEHAVIORS, st.none() | AGES, min_size=1),
    st.none() | AGES,
    st.none() | AGES,
    st.booleans(),
)


@given(RULES, STANDINGS)
def test_the_levels_of_now_are_those_that_the_rules_decide(rules: LevelRules, standing: Standing) -> None:
    """With durations, the time between events, exceptions, rules that hold, and times that are not known."""
    trial = compared(rules, PastUsers(UserId("u"), [past_user(standing)], {}))
    assert dict(trial.now_after) == {decided_again(standing, rules, NOON).level or 0: 1}


FINDINGS = st.lists(st.tuples(st.integers(-100, 5), BEHAVIORS), min_size=1, max_size=8)
HISTORIES = st.lists(st.tuples(st.sampled_from(["kai", "svc-a"]), st.lists(FINDINGS, max_size=3)), max_size=4)


@settings(max_examples=50)
@given(RULES, HISTORIES, st.randoms())
def test_the_order_in_which_findings_are_read_makes_no_difference(
    rules: LevelRules, histories: Sequence[tuple[str, Sequence[Sequence[tuple[int, BehaviorId]]]]], random: Random
) -> None:
    """Also of findings at the same time, of resets, and of users in one page or in several."""

    def page(*, shuffled: bool, places: Sequence[int]) -> PastUsers:
        users: list[PastUser] = []
        runs: dict[UserId, Sequence[PastRun]] = {}
        for place in places:
            name, history = histories[place]
            user = past_user(
                Standing(
                    user_id=UserId(f"u{place}"),
                    email=f"{name}{place}@example.com",
                    name=None,
                    level=None,
                    triggered=frozenset(),
                    resets=len(history),
                )
            )
            users.append(user)
            found = [
                _run(user.user_id, number, some, random if shuffled else None) for number, some in enumerate(history)
            ]
            runs[user.user_id] = found[::-1] if shuffled else found
        return PastUsers(UserId("z"), users, runs)

    places = range(len(histories))
    whole = compared(rules, page(shuffled=False, places=places))
    assert compared(rules, *(page(shuffled=True, places=[place]) for place in places)) == whole


def _run(user_id: UserId, resets: int, found: Sequence[tuple[int, BehaviorId]], random: Random | None) -> PastRun:
    ordered = sorted(found)
    if random is not None:
        random.shuffle(ordered)
    times = [(NOW + at) * MICROS for at, _ in ordered]
    return PastRun(user_id=user_id, resets=resets, times=times, behaviors=",".join(one for _, one in ordered))
