"""Work off what replays have asked for, a little at a time."""

from functools import partial

from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.delivery.replays import Replay, ReplayStep
from riskrelay.core.errors import Unavailable
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Outside, Transaction

_AT_ONCE = 100  # guessed: replays that one call looks at, the oldest first
_FIRST_LANES = 16  # guessed: lanes that a request begins in itself; the sweep begins in the rest


async def continue_replays(outside: Outside) -> bool:
    """Take one step of every running replay, each in a transaction of its own. After a crash the next step goes on
    where the last one ended.

    Returns: whether some replay has moved on and may do so again at once.
    """
    has_moved = False
    for account_id, replay in await outside.store.read_installation(lambda tx: tx.retention.running_replays(_AT_ONCE)):
        step, ready = await outside.store.write(account_id, partial(_step, replay=replay))
        outside.wake(ready)
        has_moved = has_moved or (step.has_moved and not step.is_over)
    return has_moved


async def continue_replay_of(outside: Outside, lane: LaneKey) -> list[LaneKey]:
    """Take the next step of the oldest running replay that has not come to its end in *lane*.

    Returns: the lane when it got something to send, else nothing.
    """

    def step(tx: Transaction) -> list[LaneKey]:
        replay = tx.replays.running_in(lane)
        return [] if replay is None else tx.replays.step(replay, lane)[1]

    return await outside.store.write(lane.account_id, step)


async def begin_replay(outside: Outside, account_id: AccountId, replay: Replay) -> None:
    """Take the first step of a replay that was started or resumed, in its first lanes, and wake them.

    Each step is a transaction of its own, so that no lane is locked for longer than one step takes.
    """
    ready: list[LaneKey] = []
    try:
        for lane in (await outside.store.read(account_id, lambda tx: tx.replays.lanes_left(replay)))[:_FIRST_LANES]:
            ready += await continue_replay_of(outside, lane)
    except Unavailable:  # the replay is stored; the sweep begins in the lanes that are left
        pass
    outside.wake(ready)


def _step(tx: Transaction, replay: Replay) -> tuple[ReplayStep, list[LaneKey]]:
    return tx.replays.step(replay)
