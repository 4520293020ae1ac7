"""The worker: wait for a wake or a timer, claim lanes that are due, and let each be delivered by a task of its own."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta

import structlog

from riskrelay.actions.deliver import Delivered, deliver
from riskrelay.actions.pause_idle_streams import pause_idle_streams
from riskrelay.delivery.lanes import BATCH_EVENTS, LaneKey, LaneLease
from riskrelay.errors import LeaseLost, Unavailable
from riskrelay.ports import Outside
from riskrelay.pushing import Delivering, SigningAhead

_log = structlog.get_logger()

MAX_LANES = 512  # guessed: lanes one process works on at once; the rest wait their turn, the longest due first
SWEEP = timedelta(seconds=1)  # a wake that got lost costs at most this
IDLE_SWEEP = timedelta(minutes=10)  # guessed: how late a stream may be paused after a month of silence
_AFTER_REFUSAL = timedelta(seconds=1)


class Worker:
    """Delivers until it is stopped.

    Args:
        linger: how long a lane without work is kept, so that the next event needs no claim. Only where this process
            hears of every event (the embedded store); zero elsewhere.

    Attributes:
        sweeps, claims: how often it looked for lanes that are due, and how many it took.
    """

    def __init__(self, outside: Outside, delivering: Delivering, linger: timedelta) -> None:
        self._outside = outside
        self._delivering = delivering
        self._linger = linger
        self._woken = asyncio.Event()
        self._held: dict[LaneKey, asyncio.Event] = {}
        self.sweeps = self.claims = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._stopped = asyncio.Event()

    @property
    def lanes_held(self) -> int:
        """How many lanes it works on now."""
        return len(self._held)

    def wake(self, lanes: Sequence[LaneKey]) -> None:
        """Say that *lanes* have work. Call it on the worker's own event loop, after the commit."""
        for lane in lanes:
            held = self._held.get(lane)
            if held is None:
                self._woken.set()
            else:
                held.set()

    async def run(self) -> None:
        """Claim and deliver until `stop`; then let what is in flight end, settle it, and give the lanes back."""
        _log.info("delivering")
        pausing = asyncio.create_task(self._pause_idle_streams())
        while not self._stopping:
            self._woken.clear()
            wait = await self._claim()
            if not self._stopping:
                await _wait(self._woken, wait)
        await asyncio.wait({pausing, *self._tasks})

    def stop(self) -> None:
        """Start no more pushes. `run` returns when those in flight are settled."""
        self._stopping = True
        self._stopped.set()
        self._woken.set()
        for held in self._held.values():
            held.set()

    async def _pause_idle_streams(self) -> None:
        """Look for streams whose receivers are silent, at the start and from time to time."""
        while not self._stopping:
            try:
                paused = await pause_idle_streams(self._outside)
            except Unavailable:  # the next look finds them
                paused = 0
            if paused:
                _log.info("idle_streams_paused", streams=paused)
            await _wait(self._stopped, IDLE_SWEEP)

    async def _claim(self) -> timedelta:
        """Claim what is due.

        Returns: how long to wait before the next look.
        """
        room = MAX_LANES - len(self._held)
        if room <= 0:
            return SWEEP
        self.sweeps += 1
        try:
            due_in = await self._outside.store.read_installation(lambda tx: tx.lanes.next_due_in())
            if due_in is None or due_in > timedelta(0):
                return SWEEP if due_in is None else min(due_in, SWEEP)
            leased_at = self._outside.clock.monotonic()
            leases = await self._outside.store.write_installation(
                lambda tx: tx.lanes.claim(room, self._delivering.lease)
            )
        except Unavailable:
            return _AFTER_REFUSAL
        self.claims += len(leases)
        for lease in leases:
            self._held[lease.key] = asyncio.Event()
            task = asyncio.create_task(self._work_on(lease, leased_at))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return SWEEP

    async def _work_on(self, lease: LaneLease, leased_at: float) -> None:
        """Deliver one lane until it has nothing left to do, then give it back."""
        try:
            await self._deliver_all(lease, leased_at)
            await self._release(lease)
        except LeaseLost:
            _log.warning("lease_lost", stream=lease.key.stream_id, lane=lease.key.lane)
        finally:
            del self._held[lease.key]
            self._woken.set()

    async def _release(self, lease: LaneLease) -> None:
        """Give a lane back. A database that is away must not cost the rest of the lease when it is back before that."""
        tries = max(self._delivering.lease // _AFTER_REFUSAL, 1)
        for _ in range(tries):
            try:
                return await self._outside.store.write_installation(lambda tx: tx.lanes.release(lease))
            except Unavailable:
                if self._stopping or await _wait(self._stopped, _AFTER_REFUSAL):
                    break
        _log.warning("lane_not_released", stream=lease.key.stream_id, lane=lease.key.lane)
        return None

    async def _deliver_all(self, lease: LaneLease, leased_at: float) -> None:
        async with aclosing(SigningAhead(self._delivering.signer)) as signing:
            await self._deliver_batches(lease, leased_at, signing)

    async def _deliver_batches(self, lease: LaneLease, leased_at: float, signing: SigningAhead) -> None:
        limit = BATCH_EVENTS
        woken = self._held[lease.key]
        while not self._stopping:
            woken.clear()
            began = self._outside.clock.monotonic()
            try:
                delivered = await deliver(self._outside, self._delivering, signing, lease, leased_at, limit)
            except Unavailable:  # what was pushed is not settled, so it will be pushed again: at least once
                await _wait(woken, _AFTER_REFUSAL)
                continue
            limit = _next_limit(limit, delivered)
            if delivered.settlement is not None:
                leased_at = began
            if delivered.stopped or not await self._has_more(delivered, woken):
                return

    async def _has_more(self, delivered: Delivered, woken: asyncio.Event) -> bool:
        due_in = None if delivered.settlement is None else delivered.settlement.due_in
        if due_in is None:
            crowded = len(self._held) > MAX_LANES // 2
            return await _wait(woken, timedelta(0) if crowded else self._linger)
        return due_in <= timedelta(0)  # later: the timer of the claim brings the lane back


def _next_limit(limit: int, delivered: Delivered) -> int:
    """A lane that failed starts again with one event, and doubles with every batch that works."""
    if delivered.settlement is None:
        return limit
    return 1 if delivered.settlement.failures else min(limit * 2, BATCH_EVENTS)


async def _wait(event: asyncio.Event, at_most: timedelta) -> bool:
    """Wait for *event*.

    Returns: whether it came.
    """
    if at_most <= timedelta(0):
        return event.is_set()
    try:
        async with asyncio.timeout(at_most.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True
