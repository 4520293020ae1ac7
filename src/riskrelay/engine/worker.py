"""The worker: wait for a wake or a timer, claim due lanes, and deliver each lane in its own task."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta

import structlog

from riskrelay.core.delivery.handover import Handover, WokenLane, lane_of
from riskrelay.core.delivery.lanes import BATCH_EVENTS, LaneKey, LaneLease
from riskrelay.core.errors import LaneWithdrawn, LeaseLost, Unavailable
from riskrelay.engine.deliver import Delivered, PushedBatch, push_batch, push_work
from riskrelay.engine.held_lane import HeldLane
from riskrelay.engine.pushing import Delivering, SigningAhead, Turn
from riskrelay.engine.scan_schedule import ScanSchedule
from riskrelay.engine.settling import Settling
from riskrelay.ports import Services

_log = structlog.get_logger()

MAX_LANES = 512  # guessed: concurrent lanes of one process; other due lanes wait, the longest due first
MAX_NAMED = 8  # guessed: up to this many lanes are claimed by name; for more, one scan is cheaper
# guessed: after this many idle holds a lane is released as soon as it is idle, so that lanes spread over nodes
TURN = 10
# guessed: a lane with a backlog keeps its slot this long while other lanes wait: one or two batches
SLOT_FOR = timedelta(seconds=2)
_AFTER_REFUSAL = timedelta(seconds=1)


class Worker:
    """Delivers due lanes until it is stopped.

    Args:
        idle_hold: how long an idle lane is kept, so that the next event needs no claim. Events that other nodes queue
            for this lane may wait as long if their notice is lost, so it is short in a cluster.

    Attributes:
        sweeps: the number of scans for due lanes.
        claims: the number of claimed lanes.
    """

    def __init__(self, services: Services, delivering: Delivering, idle_hold: timedelta) -> None:
        self._services = services
        self._delivering = delivering
        self._idle_hold = idle_hold
        self._woken = asyncio.Event()
        self._held: dict[LaneKey, HeldLane] = {}
        self._named: dict[LaneKey, None] = {}
        self._schedule = ScanSchedule()
        self._others_wait = False  # a lane is due, and all MAX_LANES slots are in use
        self.sweeps = self.claims = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling = Settling(services, delivering.lease)
        self._stopping = False
        self._stopped = asyncio.Event()

    @property
    def lanes_held(self) -> int:
        """The number of lanes that the worker holds now."""
        return len(self._held)

    @property
    def unsettled_batches(self) -> int:
        """The number of pushed batches whose outcomes are not stored yet."""
        return len(self._settling.unsettled)

    def wake(self, lanes: Sequence[WokenLane]) -> None:
        """Notify the worker that *lanes* have work. Call it on the worker's event loop, after the commit."""
        for woken in lanes:
            lane = lane_of(woken)
            held = self._held.get(lane)
            if held is None:
                self._name(lane)
            else:
                held.wake(woken, self._now())

    def can_foresee(self, woken: WokenLane) -> bool:
        """Return whether the signing of a lane's new events can start before their commit. Call it on any thread.

        The lane must be idle: a busy lane signs its next events while it pushes others.
        """
        held = self._held.get(lane_of(woken))
        return isinstance(woken, Handover) and held is not None and held.idle_signing is not None

    def foresee(self, lanes: Sequence[WokenLane]) -> None:
        """Start to sign events of idle lanes that a transaction is about to commit. Call it on the event loop.

        Nothing is pushed before `wake`. The SETs of events that are not committed are dropped.
        """
        for woken in lanes:
            held = self._held.get(lane_of(woken))
            if isinstance(woken, Handover) and held is not None and held.idle_signing is not None:
                held.idle_signing.foresee(woken.stream, woken.events)

    async def run(self) -> None:
        """Claim and deliver until `stop`. Then wait for pushes in flight, settle them, and release the lanes."""
        _log.info("delivering")
        while not self._stopping:
            # Cleared before the claim, so that a wake during the claim is not lost.
            self._woken.clear()
            await self._claim()
            if not self._stopping:
                await _wait(self._woken, self._schedule.left(self._now()))
        if self._tasks:
            await asyncio.wait(self._tasks)

    def stop(self) -> None:
        """Start no more pushes. `run` returns when the pushes in flight are settled."""
        self._stopping = True
        self._settling.stop()
        self._stopped.set()
        self._woken.set()
        for held in self._held.values():
            held.woken.set()

    def _now(self) -> float:
        """Return the monotonic time in seconds, which leases, turns and scans use."""
        return self._services.clock.monotonic()

    def _name(self, lane: LaneKey) -> None:
        """Queue a lane for a claim by name. If many lanes are queued, request a scan instead."""
        self._named[lane] = None
        self._woken.set()
        if len(self._named) > MAX_NAMED:
            self._scan_in(timedelta(0))

    def _scan_in(self, wait: timedelta) -> None:
        """Request a scan within *wait*."""
        self._schedule.request(self._now(), wait)
        self._woken.set()

    async def _claim(self) -> None:
        """Scan for due lanes if a scan is due, otherwise claim the named lanes."""
        room, now = MAX_LANES - len(self._held), self._now()
        named, self._named = list(self._named), {}
        try:
            if self._schedule.is_due(now):
                self._schedule.begin(now)
                await self._scan(room)
            elif named and room > 0:
                await self._begin(room, named)
        except Unavailable:
            self._schedule.put_off(now)
        except Exception as error:  # noqa: BLE001  an error must not stop delivery
            _log.error("claiming_failed", exc_info=error)
            self._schedule.put_off(now)

    async def _scan(self, room: int) -> None:
        """Scan for due lanes. Claim them if slots are free, or schedule the next scan for the next due time."""
        self.sweeps += 1
        since = self._schedule.since
        due = await self._services.store.read_installation(lambda tx: tx.lanes.next_due(since))
        self._others_wait = room <= 0 and due.due_in is not None and due.due_in <= timedelta(0)
        if due.due_in is not None and due.due_in > timedelta(0):
            self._scan_in(due.due_in)
        elif due.due_in is not None and room > 0:
            await self._begin(room, None)
            if len(self._held) >= MAX_LANES:
                self._scan_in(timedelta(0))  # find out whether other lanes wait for a slot
        self._schedule.end(due.since)

    async def _begin(self, room: int, named: Sequence[LaneKey] | None) -> None:
        """Claim lanes, and start a task for each."""
        # Taken before the claim: the database starts the lease later, so this process never overestimates it.
        leased_at, lease_for = self._now(), self._delivering.lease
        try:
            leases = await self._services.store.write_installation(
                lambda tx: tx.lanes.claim(
                    room, lease_for, named, self._schedule.since, besides=self._settling.unsettled
                )
            )
        except Unavailable:
            self._settling.gate.close()
            raise
        self.claims += len(leases)
        if leases:
            self._settling.gate.open()  # a claim is a write, and it succeeded
        for lease in leases:
            if (outrun := self._held.get(lease.key)) is not None:
                # An older task's lease ended while the database was away. Wake it, so that it finds its lease lost.
                outrun.woken.set()
            held = self._held[lease.key] = HeldLane()
            task = asyncio.create_task(self._work_on(lease, leased_at, held))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work_on(self, lease: LaneLease, leased_at: float, held: HeldLane) -> None:
        """Deliver one lane until it has no more work, then release it."""
        try:
            if not await self._deliver_all(lease, leased_at, held):
                await self._release(lease)
        except LaneWithdrawn:
            _log.info("lane_withdrawn", stream=lease.key.stream_id, lane=lease.key.lane)
        except LeaseLost:
            _log.warning("lease_lost", stream=lease.key.stream_id, lane=lease.key.lane)
            self._scan_in(timedelta(0))
        except Unavailable:
            await self._release(lease)
        except Exception as error:  # noqa: BLE001  an error delays this lane by a second and no other lane
            _log.error("lane_failed", stream=lease.key.stream_id, lane=lease.key.lane, exc_info=error)
            await _wait(self._stopped, _AFTER_REFUSAL)
            await self._release(lease)
        finally:
            was_crowded = len(self._held) == MAX_LANES
            if self._held.get(lease.key) is held:  # otherwise this worker claimed the lane again
                del self._held[lease.key]
            # A wake that arrived after the last batch must not be lost with the task.
            if held.woken.is_set():
                self.wake([lease.key])
            if was_crowded:
                self._scan_in(timedelta(0))

    async def _release(self, lease: LaneLease) -> None:
        """Release a lane, and retry while the database is away. An unreleased lane waits until its lease ends."""
        tries = max(self._delivering.lease // _AFTER_REFUSAL, 1)
        for _ in range(tries):
            try:
                return await self._services.store.write_installation(lambda tx: tx.lanes.release(lease))
            except Unavailable:
                if self._stopping or await _wait(self._stopped, _AFTER_REFUSAL):
                    break
        _log.warning("lane_not_released", stream=lease.key.stream_id, lane=lease.key.lane)
        return None

    async def _deliver_all(self, lease: LaneLease, leased_at: float, held: HeldLane) -> bool:
        """Deliver batches until the lane has no more work.

        Returns: whether the lane has been released.
        """
        async with aclosing(SigningAhead(self._delivering.signer)) as signing:
            return await self._deliver_batches(lease, leased_at, held, signing)

    async def _deliver_batches(self, lease: LaneLease, leased_at: float, held: HeldLane, signing: SigningAhead) -> bool:
        limit, claimed_at = BATCH_EVENTS, self._now()
        while not self._stopping:
            # Cleared before the lane is read, so that events queued after the read cause another batch.
            held.woken.clear()
            if not self._settling.gate.is_open:
                leased_at = await self._settling.prove_writes(lease)
                continue
            began = self._now()
            try:
                pushed = await self._push(lease, held, signing, leased_at=leased_at, limit=limit)
            except Unavailable:  # nothing was pushed
                await _wait(held.woken, _AFTER_REFUSAL)
                continue
            delivered = pushed if isinstance(pushed, Delivered) else await self._settling.settle(pushed)
            held.settled(delivered.rest)
            if delivered.is_refilled:
                held.wake(lease.key, self._now())
            limit = _next_limit(limit, delivered)
            if delivered.settlement is not None:
                leased_at = began  # the settlement has extended the lease
            held.idle_signing = signing
            try:
                if delivered.stopped or not await self._has_more(delivered, held.woken, claimed_at):
                    return delivered.given_back
            finally:
                held.idle_signing = None
            if self._others_wait and limit == BATCH_EVENTS and self._makes_room(claimed_at):
                return False
        return False

    async def _push(
        self, lease: LaneLease, held: HeldLane, signing: SigningAhead, *, leased_at: float, limit: int
    ) -> PushedBatch | Delivered:
        """Push the events that were handed over; without any, those that a read of the lane returns."""
        handed = held.take(self._now())
        if handed is None:
            return await push_batch(self._services, self._delivering, signing, lease, leased_at=leased_at, limit=limit)
        work, read_at = handed
        turn = Turn(leased_at=leased_at, read_at=read_at, limit=limit)
        return await push_work(self._services, self._delivering, signing, lease, work=work, turn=turn)

    def _makes_room(self, claimed_at: float) -> bool:
        """Return whether a lane with more work releases its slot to a lane that waits."""
        if self._now() < claimed_at + SLOT_FOR.total_seconds():
            return False
        self._others_wait = False  # one slot is enough; the scan that follows its release sets this again
        return True

    async def _has_more(self, delivered: Delivered, woken: asyncio.Event, claimed_at: float) -> bool:
        due_in = None if delivered.settlement is None else delivered.settlement.due_in
        if due_in is None:
            # Release an idle lane at once if slots are scarce, or if this node has held it for its turn.
            turn_ends = claimed_at + TURN * self._idle_hold.total_seconds()
            gives_up = len(self._held) > MAX_LANES // 2 or self._now() >= turn_ends
            return await _wait(woken, timedelta(0) if gives_up else self._idle_hold)
        if due_in > timedelta(0):
            self._scan_in(due_in)
            return False
        return True


def _next_limit(limit: int, delivered: Delivered) -> int:
    """Return the size of the next batch. A failing lane probes with one event; then its batches grow: 2, 4, 8 …"""
    if delivered.settlement is None:
        return limit
    return 2 if delivered.recovered else min(limit * 2, BATCH_EVENTS)


async def _wait(event: asyncio.Event, at_most: timedelta) -> bool:
    """Wait for *event*, at most *at_most*.

    Returns: whether the event was set.
    """
    if at_most <= timedelta(0):
        return event.is_set()
    try:
        async with asyncio.timeout(at_most.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True
