"""The loop of the tests: timers wait for what the loop does, not for the machine."""

import asyncio
import time

import pytest

from support.patient_loop import ROUND_SECONDS, PatientLoop


async def test_a_pause_of_the_process_expires_no_deadline() -> None:
    """While the loop does not run, its clock stands still."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, PatientLoop)
    began = loop.time()
    async with asyncio.timeout(0.15):
        time.sleep(0.2)
        inside = loop.time()
        await asyncio.sleep(0)
    assert began < inside <= loop.time() < began + 0.15


async def test_a_deadline_expires_when_nothing_happens() -> None:
    """The clock counts the time that the loop waits."""
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5 * ROUND_SECONDS):
            await asyncio.Event().wait()
    assert time.monotonic() - began >= 5 * ROUND_SECONDS
