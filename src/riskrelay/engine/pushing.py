"""Push one batch: SETs are signed ahead, chains run concurrently, and the events of each chain stay in order."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import chain

from riskrelay.actions.coalesce import BacklogPlans
from riskrelay.actions.integrations import opened_tls
from riskrelay.core.delivery.attempts import Attempt
from riskrelay.core.delivery.decisions import Fate, decide, on_control_lane
from riskrelay.core.delivery.lanes import BATCH_EVENTS, MAX_READ_EVENTS
from riskrelay.core.delivery.pacing import pace_of
from riskrelay.core.delivery.queued_events import QueuedEvent
from riskrelay.core.errors import Misconfigured, Unavailable
from riskrelay.core.integrations import OpenedTls
from riskrelay.core.keys import Algorithm
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.sets import complete_claims
from riskrelay.core.ssf.streams import Stream, StreamStatus
from riskrelay.ports import Pusher, Services, Signer, Vault

_CHUNK = 16  # SETs signed in one call: 8 and 32 cost the same CPU (measured); the first SET waits for all of them
SNAPSHOT = timedelta(seconds=1)  # specified: a disabled stream gets no new push after this time
SIGNED_AHEAD = MAX_READ_EVENTS - BATCH_EVENTS  # also limits the signatures wasted when a batch stops early


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivering:
    """The dependencies of delivery besides `Services`, and its limits.

    Attributes:
        lease: how long a claim lasts without being extended.
        push_for: how long after the start of the lease new pushes may start. Together with the longest push it is at
            most 80 % of the lease, so this worker has stopped before another one can claim the lane (design 3).
        concurrency: concurrent pushes per lane, unless the integration has a lower limit.
        retention: older events are not sent any more.
        plans: of the lanes that coalesce.
    """

    signer: Signer
    pusher: Pusher
    vault: Vault
    lease: timedelta
    push_for: timedelta
    concurrency: int
    retention: timedelta
    plans: BacklogPlans = field(default_factory=BacklogPlans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The limits of one batch.

    Attributes:
        leased_at: the time by the monotonic clock, taken before the lease was last claimed or extended.
        read_at: when the lane and its stream were read, by the same clock.
        limit: the largest number of events.
    """

    leased_at: float
    read_at: float
    limit: int


class Batch:
    """The pushes of one batch. Chains run concurrently, and the events of each chain stay in order.

    Args:
        is_control: the events are notices about the stream itself, which are also sent after it was stopped.
    """

    def __init__(
        self,
        services: Services,
        delivering: Delivering,
        stream: Stream,
        signing: "SigningAhead",
        turn: Turn,
        *,
        is_control: bool,
    ) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.attempts: list[Attempt] = []
        self.stop: tuple[StreamStatus, str] | None = None
        self.pace = pace_of(stream, delivering.concurrency)
        self._is_control = is_control
        self._services = services
        self._delivering = delivering
        self._stream = stream
        self._signing = signing
        # A paced push first waits for its turn, so the limit is one interval later. Otherwise it could never start.
        fresh_until = turn.read_at + SNAPSHOT.total_seconds() + self.pace.interval
        self._stop_at = min(turn.leased_at + delivering.push_for.total_seconds(), fresh_until)
        self._next_start = services.clock.monotonic()
        self._halted = False
        # after how many equal outcomes in a row the batch stops; of the latest outcome
        self._halts_after: int | None = None
        self._alike_in_a_row = 0  # how many of the latest outcomes in a row have the same `halts_after`

    async def push(self, todo: Sequence[Sequence[QueuedEvent]], next_up: Sequence[QueuedEvent]) -> None:
        """Push every chain, at most `concurrency` at once.

        Args:
            next_up: the events of the next batch. They are signed while this batch is settled.
        """
        waiting = list(reversed(todo))
        self._signing.plan(self._stream, [*chain.from_iterable(todo), *next_up])

        async def work() -> None:
            while waiting:
                await self._push_chain(waiting.pop())

        async with asyncio.TaskGroup() as group:
            for _ in range(min(len(waiting), self.pace.concurrency)):
                group.create_task(work())

    async def _push_chain(self, events: Sequence[QueuedEvent]) -> None:
        for event in events:
            if not self._may_start(self._services.clock.monotonic()):
                return
            if self.pace.interval:
                await self._keep_pace()
            outcome = await self._attempt(event)
            if outcome is None:
                return
            self.outcomes[event.seq] = outcome
            self._follow(outcome)
            if decide(outcome).fate is not Fate.DELIVERED:
                # Also after a rejected event: the next event of this subject may be sent only after the rejection is
                # stored. Otherwise a crash now would repeat the rejected event after its successor.
                return

    def _may_start(self, now: float) -> bool:
        """Return whether a push may start: the stream was read recently, the lease lasts, and no response stopped the
        batch.

        If not, the next batch reads the stream again and continues.
        """
        return not self._halted and now <= self._stop_at

    async def _keep_pace(self) -> None:
        """Wait for the next moment at which a push may start.

        The first push of a batch waits too. So pushes are spaced across batches without keeping the time of the last
        one.
        """
        self._next_start += self.pace.interval
        wait = self._next_start - self._services.clock.monotonic()
        if wait > 0:
            await self._services.clock.sleep(wait)
        else:
            self._next_start -= wait

    async def _attempt(self, event: QueuedEvent) -> Outcome | None:
        """Push one event.

        Returns: the outcome; None: the SET was signed too late, and no push was attempted.
        """
        started_at, began = self._services.clock.now(), self._services.clock.monotonic()
        await self._signing.sign(event)
        signed = self._services.clock.monotonic()
        if not self._may_start(signed):
            return None
        token, outcome = await self._push(event)
        self.attempts.append(
            Attempt(
                seq=event.seq,
                jti=event.jti,
                number=event.attempts + 1,
                queued_at=event.queued_at,
                started_at=started_at,
                duration=timedelta(seconds=self._services.clock.monotonic() - began),
                outcome=outcome,
                signing=timedelta(seconds=signed - began) if token else None,
                claims=event.claims,
                token=token,
            )
        )
        return outcome

    async def _push(self, event: QueuedEvent) -> tuple[bytes, Outcome]:
        """Push the signed SET of one event.

        Returns: the SET, empty if no key is available, and the outcome.
        """
        token = b""
        try:
            token = self._signing.take(event)
            authorization, tls = self._authorization, self._tls
        except Unavailable:
            return token, Outcome(kind=OutcomeKind.LOCAL, reason="no_signing_key")
        except Misconfigured:
            return token, Outcome(kind=OutcomeKind.LOCAL, reason="wrong_master_key")
        outcome = await self._delivering.pusher.push(self._stream.endpoint_url, token, authorization, tls)
        return token, on_control_lane(outcome) if self._is_control else outcome

    @cached_property
    def _authorization(self) -> str | None:
        """The Authorization header that the receiver requires with each push.

        Raises: Misconfigured: it was sealed under another master key.
        """
        sealed = self._stream.sealed_authorization
        return None if sealed is None else self._delivering.vault.open(sealed, self._stream.row).decode()

    @cached_property
    def _tls(self) -> OpenedTls | None:
        """The integration's certificates for TLS with its receivers.

        Raises: Misconfigured: the key was sealed under another master key.
        """
        return opened_tls(self._stream.integration, self._delivering.vault)

    def _follow(self, outcome: Outcome) -> None:
        """Apply the decision about an outcome to the rest of the batch and to the stream."""
        decision = decide(outcome)
        self._alike_in_a_row = self._alike_in_a_row + 1 if decision.halts_after == self._halts_after else 1
        self._halts_after = decision.halts_after
        if decision.halts_after is not None and self._alike_in_a_row >= decision.halts_after:
            self._halted = True
        if decision.stream_status is not None:
            self.stop = (decision.stream_status, outcome.reason)


class SigningAhead:
    """Signs the SETs of a lane in chunks, while earlier SETs are pushed or a batch is settled.

    Signing ahead does not change the order of pushes. SETs that are not pushed in the end are dropped.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._terms: tuple[str, str, Algorithm] | None = None
        self._waiting: deque[Sequence[QueuedEvent]] = deque()
        self._signing: dict[Jti, asyncio.Task[dict[Jti, bytes]]] = {}
        self._running: set[asyncio.Task[dict[Jti, bytes]]] = set()

    def plan(self, stream: Stream, events: Sequence[QueuedEvent]) -> None:
        """Plan to sign *events* next, roughly in this order, and drop all other SETs."""
        terms = (stream.integration.issuer, stream.audience, stream.integration.signing_algorithm)
        # Keep chunks that are still running or that were signed; a chunk without a key is signed again.
        good = {jti: one for jti, one in self._signing.items() if one in self._running or one.result()}
        signing = good if terms == self._terms else {}
        self._terms = terms
        self._signing = {event.jti: signing[event.jti] for event in events if event.jti in signing}
        left = [event for event in events if event.jti not in self._signing]
        self._waiting = deque(left[start : start + _CHUNK] for start in range(0, len(left), _CHUNK))

    def foresee(self, stream: Stream, events: Sequence[QueuedEvent]) -> None:
        """Start to sign events that are not committed yet. The next plan keeps the SETs of those that were.

        They are kept by `jti`: after a failed commit another event gets the same seq.
        """
        self.plan(stream, events)
        self._start_chunks(len(self._waiting))

    async def sign(self, event: QueuedEvent) -> None:
        """Wait until the SET of *event*, which is in the plan, is signed."""
        while self._waiting and (event.jti not in self._signing or len(self._signing) < SIGNED_AHEAD):
            self._start_chunks(1)
        await self._signing[event.jti]

    def _start_chunks(self, count: int) -> None:
        for _ in range(count):
            chunk = self._waiting.popleft()
            signing = asyncio.create_task(self._sign(chunk))
            self._running.add(signing)
            signing.add_done_callback(self._running.discard)
            self._signing.update((one.jti, signing) for one in chunk)

    def take(self, event: QueuedEvent) -> bytes:
        """Return the SET of *event*, after `sign` has returned. SETs that are not taken stay for the next batch.

        Raises: Unavailable: no key can be read.
        """
        token = self._signing.pop(event.jti).result().get(event.jti)
        if token is None:
            raise Unavailable("no signing key")
        return token

    async def aclose(self) -> None:
        """Wait until the running signatures are done."""
        await asyncio.gather(*self._running)

    async def _sign(self, chunk: Sequence[QueuedEvent]) -> dict[Jti, bytes]:
        """Return the signed SETs by jti; none if no key can be read."""
        if self._terms is None:
            raise RuntimeError("nothing is planned")
        issuer, audience, algorithm = self._terms
        try:
            tokens = await self._signer.sign(
                [complete_claims(event.claims, issuer, audience) for event in chunk], algorithm
            )
        except Unavailable:
            return {}
        return dict(zip((event.jti for event in chunk), tokens, strict=True))
