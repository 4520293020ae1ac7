"""The results of trials."""

from collections import Counter

from msgspec import Struct, field

from riskrelay.core.risk.findings import UserId
from riskrelay.core.risk.trials import Level, Path

MAX_EXAMPLES = 20  # guessed: more than a person reads


class Effect(Struct, kw_only=True):
    """Numbers under one set of rules.

    Attributes:
        users: the number of users by the highest level that they had; 0 is none.
        events: the number of level changes, by the new level.
        revocations: how often rules would have revoked a user's sessions.
    """

    users: Counter[Level] = field(default_factory=Counter)
    events: Counter[Level] = field(default_factory=Counter)
    revocations: int = 0

    def add(self, path: Path, revocations: int, users: int) -> None:
        """Add some users that are alike."""
        self.users[path.highest] += users
        for level, count in enumerate(path.events):
            if count:
                self.events[level] += count * users
        self.revocations += revocations * users


class Example(Struct, frozen=True, kw_only=True):
    """A user for whom something differs.

    Attributes:
        before, after: the highest level under the stored and the proposed rules.
    """

    user_id: UserId
    email: str
    before: Level
    after: Level


class Trial(Struct, kw_only=True):
    """The result of a trial.

    Attributes:
        before, after: the last days under the stored and under the proposed rules.
        examples: users whose levels or events would have differed; MAX_EXAMPLES at most.
        now_before, now_after: the number of users by their level now, and if the proposal was stored.
        now_examples: users whose level would change now; MAX_EXAMPLES at most.
        left_out: the names of rules that were left out: they are stopped, or name a member that a trial does not read.
    """

    findings: int = 0
    differing: int = 0
    before: Effect = field(default_factory=Effect)
    after: Effect = field(default_factory=Effect)
    examples: list[Example] = field(default_factory=list)
    now_before: Counter[Level] = field(default_factory=Counter)
    now_after: Counter[Level] = field(default_factory=Counter)
    now_differing: int = 0
    now_examples: list[Example] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def keep(examples: list[Example], one: Example) -> None:
    """Add an example, if there is room."""
    if len(examples) < MAX_EXAMPLES:
        examples.append(one)
