"""The conditions that are open now, from the state of an account and of the installation. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from riskrelay.core.delivery.health import Condition as Health
from riskrelay.core.delivery.health import StreamHealth, in_words, what_next, why
from riskrelay.core.keys import Algorithm, KeyState, SealedKey, key_in
from riskrelay.core.notifications.channels import Channel, Condition
from riskrelay.core.sources.sources import Source, SourceState, state_of

LOW_DISK_BYTES = 1_000_000_000  # chosen: like the alert RiskrelayDiskLow
OLD_KEY = timedelta(days=180)  # chosen: like the alert RiskrelaySigningKeyOld

_STOPPED = (Health.PAUSED, Health.DISABLED)


class Problem(Struct, frozen=True, kw_only=True):
    """A condition that is open.

    Attributes:
        thing_id: the id of the integration, source or key algorithm; empty: the installation.
        name: the name that people know the thing by.
        reason: why the condition is open, in sentences.
        remedy: what to do, in sentences.
        page: the segments of the path of the console's page, below the account.
        waited: for BACKLOG, the time that the oldest event has waited.
    """

    condition: Condition
    thing_id: str
    name: str
    reason: str
    remedy: str
    page: tuple[str, ...]
    waited: timedelta | None = None

    @property
    def key(self) -> tuple[Condition, str]:
        """What it has in common with the same condition at another time."""
        return self.condition, self.thing_id

    def concerns(self, channel: Channel) -> bool:
        """Return whether a channel wants to be notified of it."""
        if self.condition not in channel.conditions:
            return False
        return self.waited is None or self.waited > channel.backlog_after


def delivery_problems(healths: Iterable[StreamHealth], retention: timedelta) -> Iterator[Problem]:
    """Return the problems of integrations. An integration with several streams has each problem once.

    No text of a receiver is in them, because receivers may name users.

    Args:
        retention: how long undelivered events are kept.
    """
    seen: set[tuple[Condition, str]] = set()
    worst_first = sorted(healths, key=lambda health: health.ledger.oldest_pending or timedelta(0), reverse=True)
    for health in worst_first:
        for problem in _of_stream(health, retention):
            if problem.key not in seen:
                seen.add(problem.key)
                yield problem


def _of_stream(health: StreamHealth, retention: timedelta) -> Iterator[Problem]:
    integration, ledger = health.stream.integration, health.ledger
    reason, remedy, own = why(health), what_next(health, retention), ("integrations", integration.integration_id)

    def problem(
        condition: Condition, reason: str, remedy: str, *pages: str, waited: timedelta | None = None
    ) -> Problem:
        return Problem(
            condition=condition,
            thing_id=integration.integration_id,
            name=integration.reference_id,
            reason=reason,
            remedy=remedy,
            page=(*own, *pages),
            waited=waited,
        )

    if health.condition is Health.INACTIVE:
        return
    if health.condition in _STOPPED:
        yield problem(Condition.PAUSED, reason, remedy)
    if health.condition is Health.REJECTING:
        yield problem(Condition.REJECTING, reason, remedy)
    if ledger.pending and ledger.oldest_pending is not None:
        waiting = f"The oldest event has waited {in_words(ledger.oldest_pending)}. {reason}"
        yield problem(Condition.BACKLOG, waiting, remedy, waited=ledger.oldest_pending)
    if ledger.dead:
        events = "1 event is a dead letter" if ledger.dead == 1 else f"{ledger.dead:,} events are dead letters"
        yield problem(
            Condition.DEAD_LETTERS,
            f"{events}: the receiver rejected them.",
            "Fix the receiver, then replay the dead letters.",
            "deliveries",
        )


def source_problems(sources: Iterable[Source], now: datetime) -> Iterator[Problem]:
    """Return the problems of sources."""
    for source in sources:
        if state_of(source, {}, now) is SourceState.SILENT and source.last_event_at is not None:
            yield Problem(
                condition=Condition.SILENT_SOURCE,
                thing_id=source.source_id,
                name=source.name,
                reason=f"No event has arrived for {in_words(now - source.last_event_at)}.",
                remedy="Check that the sender runs, and that its credential is still valid.",
                page=("sources", source.source_id),
            )


def installation_problems(keys: Sequence[SealedKey], disk_free_bytes: int | None, now: datetime) -> Iterator[Problem]:
    """Return the problems of the installation.

    Args:
        disk_free_bytes: the free space at the database's file; None: it is not known.
    """
    if disk_free_bytes is not None and disk_free_bytes < LOW_DISK_BYTES:
        yield Problem(
            condition=Condition.DISK,
            thing_id="",
            name="riskrelay",
            reason=f"Less than {LOW_DISK_BYTES / 1e9:.0f} GB is free on the disk of the database.",
            remedy="Free disk space. On a full disk, no request is accepted.",
            page=("settings", "health"),
        )
    for algorithm in Algorithm:
        current = key_in(keys, algorithm, KeyState.CURRENT)
        age = timedelta(0) if current is None else current.age(now)
        if age > OLD_KEY:
            yield Problem(
                condition=Condition.KEY_ROTATION,
                thing_id=algorithm.value,
                name=f"{algorithm.value} key",
                reason=f"The current {algorithm.value} signing key is {age.days} days old.",
                remedy="Run riskrelay key rotate.",
                page=("settings", "keys"),
            )
