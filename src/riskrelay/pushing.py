"""The pushes of one batch: SETs signed some ahead, chains side by side, each strictly in order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from riskrelay.delivery.attempts import Attempt
from riskrelay.delivery.lanes import QueuedEvent
from riskrelay.delivery.pacing import pace_of
from riskrelay.errors import Misconfigured, Unavailable
from riskrelay.ports import Outside, Pusher, Signer, Vault
from riskrelay.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ssf.sets import complete_claims
from riskrelay.ssf.streams import Stream, StreamStatus

_STOPS_LANE = frozenset({OutcomeKind.AUTH, OutcomeKind.GONE, OutcomeKind.THROTTLED, OutcomeKind.OURS})
_STOPS_STREAM = {OutcomeKind.AUTH: StreamStatus.PAUSED, OutcomeKind.GONE: StreamStatus.DISABLED}
_FAILURES_THAT_HALT = 3  # guessed: one bad subject must not stop a lane, a dead receiver must not be pushed 256 times
_CHUNK = 8  # SETs signed in one call: 1.6 ms with RS256 here; 16 and 32 cost the same CPU (measured)
_CHUNKS_AHEAD = 3  # guessed: enough for two signing threads, and little in vain when the receiver stops the batch


@dataclass(frozen=True, slots=True)
class Delivering:
    """What delivery needs besides `Outside`, and its limits.

    Attributes:
        lease: how long a claim holds without a sign of life.
        push_for: how long after the lease began new pushes may start; with the longest push it stays below 80 % of the
            lease, so that the worker has stopped before another one may begin (design 3).
        concurrency: pushes at once per lane, unless the integration has a lower limit of its own.
        retention: older events are not sent any more.
    """

    signer: Signer
    pusher: Pusher
    vault: Vault
    lease: timedelta
    push_for: timedelta
    concurrency: int
    retention: timedelta


class Batch:
    """The pushes of one batch: chains side by side, each strictly in order.

    Args:
        is_control: what is pushed is the last word about a stream that is stopped already.
    """

    def __init__(
        self, outside: Outside, delivering: Delivering, stream: Stream, leased_at: float, *, is_control: bool
    ) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.attempts: list[Attempt] = []
        self.stop: tuple[StreamStatus, str] | None = None
        self.pace = pace_of(stream, delivering.concurrency)
        self._is_control = is_control
        self._outside = outside
        self._delivering = delivering
        self._stream = stream
        self._stop_at = leased_at + delivering.push_for.total_seconds()
        self._next_start = outside.clock.monotonic()
        self._halted = False
        self._failed_in_a_row = 0

    async def push(self, todo: Sequence[Sequence[QueuedEvent]]) -> None:
        """Push every chain, at most `concurrency` at once."""
        waiting = list(reversed(todo))

        async def work(signed: _SignedAhead) -> None:
            while waiting:
                await self._push_chain(waiting.pop(), signed)

        async with asyncio.TaskGroup() as group:
            events = [event for chain in todo for event in chain]
            signed = _SignedAhead(self._delivering.signer, self._stream, events, group)
            for _ in range(min(len(waiting), self.pace.concurrency)):
                group.create_task(work(signed))

    async def _push_chain(self, chain: Sequence[QueuedEvent], signed: "_SignedAhead") -> None:
        for event in chain:
            if self.pace.interval:
                await self._keep_pace()
            if self._halted or self._outside.clock.monotonic() > self._stop_at:
                return
            outcome = await self._attempt(event, signed)
            self.outcomes[event.seq] = outcome
            self._judge(outcome)
            if outcome.kind is not OutcomeKind.ACCEPTED:
                # A refusal too: the next event of this subject may go only when it is written down that this one
                # will not come again, or a crash now would bring it out of order.
                return

    async def _keep_pace(self) -> None:
        """Wait for the next moment at which a push may start.

        The first of a batch waits too, as if one had started just before: so pushes are spaced whatever happens between
        two batches, and nothing has to be remembered.
        """
        self._next_start += self.pace.interval
        wait = self._next_start - self._outside.clock.monotonic()
        if wait > 0:
            await self._outside.clock.sleep(wait)
        else:
            self._next_start -= wait

    async def _attempt(self, event: QueuedEvent, signed: "_SignedAhead") -> Outcome:
        started_at, began = self._outside.clock.now(), self._outside.clock.monotonic()
        token, signing = b"", None
        try:
            token = await signed.token(event)
            signing = timedelta(seconds=self._outside.clock.monotonic() - began)
            authorization = self._authorization()
        except Unavailable:
            outcome = Outcome(OutcomeKind.OURS, "no_signing_key")
        except Misconfigured:
            outcome = Outcome(OutcomeKind.OURS, "wrong_master_key")
        else:
            outcome = await self._delivering.pusher.push(self._stream.endpoint_url, token, authorization)
            if self._is_control and outcome.kind in _STOPS_STREAM:
                # The stream is stopped for this very reason: its receiver does not want to hear of it.
                outcome = replace(outcome, kind=OutcomeKind.REJECTED)
        duration = timedelta(seconds=self._outside.clock.monotonic() - began)
        number = event.attempts + 1
        self.attempts.append(
            Attempt(
                *(event.seq, event.jti, number, event.queued_at, started_at, duration, outcome),
                *(signing, event.claims, token),
            )
        )
        return outcome

    def _authorization(self) -> str | None:
        """The header that the receiver wants with each push.

        Raises: Misconfigured: it was sealed under another master key.
        """
        sealed = self._stream.sealed_authorization
        return None if sealed is None else self._delivering.vault.open(sealed).decode()

    def _judge(self, outcome: Outcome) -> None:
        """Some outcomes speak for the whole receiver, and so do a few failures in a row: nothing more is started."""
        self._failed_in_a_row = self._failed_in_a_row + 1 if outcome.kind is OutcomeKind.TRANSIENT else 0
        if outcome.kind in _STOPS_LANE or self._failed_in_a_row >= _FAILURES_THAT_HALT:
            self._halted = True
        if outcome.kind in _STOPS_STREAM:
            self.stop = (_STOPS_STREAM[outcome.kind], outcome.reason)


class _SignedAhead:
    """The SETs of a batch, signed a chunk at a time, the next chunks while earlier ones are pushed.

    Args:
        events: in the order in which they are pushed, by and large.
        group: what signs; it ends after the last push.
    """

    def __init__(self, signer: Signer, stream: Stream, events: Sequence[QueuedEvent], group: asyncio.TaskGroup) -> None:
        self._signer = signer
        self._stream = stream
        self._group = group
        self._chunks = [events[start : start + _CHUNK] for start in range(0, len(events), _CHUNK)]
        self._place = {event.seq: place // _CHUNK for place, event in enumerate(events)}
        self._signing: list[asyncio.Task[None]] = []
        self._tokens: dict[int, bytes] = {}

    async def token(self, event: QueuedEvent) -> bytes:
        """The SET of *event*.

        Raises: Unavailable: no key can be read.
        """
        place = self._place[event.seq]
        for chunk in self._chunks[len(self._signing) : place + 1 + _CHUNKS_AHEAD]:
            self._signing.append(self._group.create_task(self._sign(chunk)))
        token = self._tokens.pop(event.seq, None)
        if token is None:
            await self._signing[place]
            token = self._tokens.pop(event.seq, None)
        if token is None:
            raise Unavailable("no signing key")
        return token

    async def _sign(self, chunk: Sequence[QueuedEvent]) -> None:
        integration = self._stream.integration
        payloads = [complete_claims(event.claims, integration.issuer, self._stream.audience) for event in chunk]
        try:
            tokens = await self._signer.sign(payloads, integration.signing_algorithm)
        except Unavailable:  # whoever wants one of these tokens finds none
            return
        self._tokens.update(zip((event.seq for event in chunk), tokens, strict=True))
