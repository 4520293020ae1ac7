"""Write outcomes, retrying until the store accepts them. Nothing new is pushed until then."""

import asyncio
import math
from datetime import timedelta

import structlog

from riskrelay.core.delivery.backoff import local_wait
from riskrelay.core.delivery.lanes import LaneKey, LaneLease
from riskrelay.core.errors import LeaseLost, Unavailable
from riskrelay.engine.deliver import Delivered, PushedBatch, settle_batch
from riskrelay.ports import Services

_log = structlog.get_logger()

_AFTER_REFUSAL = timedelta(seconds=1)
_TRIES_WHEN_STOPPING = 3  # guessed: with a second between them it stays within a unit's stop time


class WriteGate:
    """A gate for pushes. A write that the store refuses closes it, and the next successful write of any lane opens it.

    A push whose outcome cannot be written would be repeated. So while the gate is closed, a lane must write
    successfully before it pushes again.
    """

    def __init__(self) -> None:
        self._is_open = asyncio.Event()
        self._is_open.set()

    @property
    def is_open(self) -> bool:
        """Whether the last write succeeded."""
        return self._is_open.is_set()

    def open(self) -> None:
        """Report that a write succeeded. This wakes every lane that waits."""
        self._is_open.set()

    def close(self) -> None:
        """Report that the store refused a write."""
        self._is_open.clear()

    async def wait(self) -> None:
        """Wait until a write succeeds."""
        await self._is_open.wait()


class Settling:
    """Keeps the outcomes of one worker's batches until the store has accepted them.

    Args:
        lease: how long each write extends the lease of the lane.

    Attributes:
        gate: open while the store accepts writes.
        unsettled: the lanes whose outcomes are not stored yet. This process must not claim them, or their batches
            would be pushed again.
    """

    def __init__(self, services: Services, lease: timedelta) -> None:
        self.gate = WriteGate()
        self.unsettled: set[LaneKey] = set()
        self._services = services
        self._lease = lease
        self._stopping = False

    def stop(self) -> None:
        """Drop outcomes that the store refuses a few more times."""
        self._stopping = True

    async def settle(self, pushed: PushedBatch) -> Delivered:
        """Write the outcomes of a batch, retrying until the store accepts them.

        If they were dropped, the batch would be pushed again.

        Raises:
            LeaseLost: the lease ended and another worker claimed the lane, or its stream was stopped.
            Unavailable: the worker is being stopped and the store still refuses.
        """
        key, failures = pushed.lease.key, 0
        try:
            while True:
                try:
                    delivered = await settle_batch(self._services, pushed, is_retry=failures > 0)
                except LeaseLost:
                    raise
                except Unavailable:
                    self.gate.close()
                except Exception as error:  # noqa: BLE001  a defect must not cause a second push
                    _log.error("settling_failed", stream=key.stream_id, lane=key.lane, exc_info=error)
                else:
                    self.gate.open()
                    return delivered
                failures += 1
                if self._stopping and failures >= _TRIES_WHEN_STOPPING:
                    _log.error(
                        "outcomes_not_written", stream=key.stream_id, lane=key.lane, attempts=len(pushed.attempts)
                    )
                    raise Unavailable("the store refused the outcomes of a batch until the worker was stopped")
                self.unsettled.add(key)
                await self._pause(failures)
        finally:
            self.unsettled.discard(key)

    async def prove_writes(self, lease: LaneLease) -> float:
        """Extend the lease of a lane, retrying until the store accepts the write.

        Returns: the time by the monotonic clock before the lease was extended.
        Raises: LeaseLost.
        """
        failures = 0
        while not self._stopping:
            began = self._services.clock.monotonic()
            try:
                await self._services.store.write_installation(lambda tx: tx.lanes.renew(lease, self._lease))
            except Unavailable:
                failures += 1
                await self._pause(failures)
            else:
                self.gate.open()
                return began
        return -math.inf

    async def _pause(self, failures: int) -> None:
        """Wait between two tries of a write: at least one second, then with backoff until another write succeeds."""
        await asyncio.sleep(_AFTER_REFUSAL.total_seconds())
        wait = local_wait(failures, self._services.ids.jitter()) - _AFTER_REFUSAL
        if wait > timedelta(0) and not self._stopping:
            try:
                async with asyncio.timeout(wait.total_seconds()):
                    await self.gate.wait()
            except TimeoutError:
                return
