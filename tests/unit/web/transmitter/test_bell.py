"""Waking who waits for a stream."""

import asyncio
from datetime import timedelta

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.integrations import AccountId
from riskrelay.core.ssf.streams import StreamId
from riskrelay.web.transmitter.bell import MAX_LISTENERS, StreamBell

ACME = AccountId("acme")
ONE, OTHER = StreamId("one"), StreamId("other")
LONG, SHORT = timedelta(minutes=10), timedelta(milliseconds=20)


def lane(stream_id: StreamId) -> LaneKey:
    return LaneKey(ACME, stream_id, 0)


async def test_every_waiter_of_the_stream_is_woken() -> None:
    """And nobody else."""
    bell = StreamBell()
    with bell.listen(ACME, ONE) as first, bell.listen(ACME, ONE) as second, bell.listen(ACME, OTHER) as third:
        bell.ring([lane(ONE)])
        async with asyncio.timeout(60):
            await asyncio.gather(first.wait(LONG), second.wait(LONG))
        waiting = asyncio.create_task(third.wait(LONG))
        await asyncio.sleep(0.02)
        assert not waiting.done()
        bell.ring([lane(OTHER)])
        await waiting


async def test_a_ring_before_the_wait_is_not_lost_and_counts_once() -> None:
    """What comes between the look and the wait ends the wait; the next one waits again."""
    bell = StreamBell()
    with bell.listen(ACME, ONE) as listening:
        bell.ring([lane(ONE)])
        async with asyncio.timeout(60):
            await listening.wait(LONG)
            await listening.wait(SHORT)


async def test_only_so_many_may_wait() -> None:
    """The others are told that waiting makes no sense; room that is given back is used again."""
    bell = StreamBell()
    held = [bell.listen(ACME, ONE) for _ in range(MAX_LISTENERS)]
    listeners = [context.__enter__() for context in held]
    assert all(listening.is_open for listening in listeners)
    with bell.listen(ACME, OTHER) as late:
        assert not late.is_open
    held[0].__exit__(None, None, None)
    with bell.listen(ACME, OTHER) as next_one:
        assert next_one.is_open
    for context in held[1:]:
        context.__exit__(None, None, None)
    bell.ring([lane(ONE)])


async def test_closing_ends_every_wait() -> None:
    """Those who wait are woken and told; those who come later need not begin."""
    bell = StreamBell()
    with bell.listen(ACME, ONE) as listening:
        waiting = asyncio.create_task(listening.wait(LONG))
        await asyncio.sleep(0)
        bell.close()
        async with asyncio.timeout(60):
            await waiting
        assert not listening.is_open
    with bell.listen(ACME, ONE) as late:
        assert not late.is_open
