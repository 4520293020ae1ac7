"""Write large requests in parts, so that no transaction blocks those of other accounts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from riskrelay.actions.applying import apply, cut
from riskrelay.actions.giving_way import give_way, large_request, small_requests_wait
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import Unavailable, UnavailableCause
from riskrelay.core.integrations import AccountId
from riskrelay.ports import LargeWriteLost, LargeWriteRuns, Services, Transaction, Writes

T = TypeVar("T")

_log = structlog.get_logger()

LARGE: Final = 200  # guessed: a request with more items is written in parts
_HELD_PARTS = 64  # guessed: some thousand rows and a few megabytes; the other parts are decoded again
_STORED_AT_ONCE = 4  # guessed: parts that one transaction stores, about as much work as applying one part
# Chosen: other transactions, such as settlements, wait 20 to 30 ms. A commit costs as much as a part, so a request that
# delays no small one takes much less time. While parts are applied, a small request that arrives waits for one part and
# the commit. While parts are stored, it waits for all that are stored at once.
_PARTS_AT_ONCE = 8
_POLL_SECONDS = 0.02
_WAIT_SECONDS = 20.0  # chosen: the same time as a request waits for admission
_AT_ONCE = 100  # guessed: accounts that one call handles; the next call handles the rest

_running: set[asyncio.Task[Any]] = set()  # the event loop keeps no strong reference to its tasks


async def write_users(services: Services, account_id: AccountId, work: Callable[[Transaction], T]) -> T:
    """Run *work*, which changes users, in a transaction, after any large write of the account has ended.

    Raises: Unavailable.
    """

    def guarded(tx: Transaction) -> T:
        if tx.large_writes.is_running():
            raise LargeWriteRuns
        return work(tx)

    while True:
        try:
            return await services.store.write(account_id, guarded)
        except LargeWriteRuns:
            await _wait_for_end(services, account_id)


async def write_in_parts(
    services: Services,
    account_id: AccountId,
    decided: Callable[[], AsyncIterator[Writes]],
    with_acceptance: Callable[[Transaction], T],
) -> T:
    """Write many rows of an account's users, all or none.

    The rows are first stored in parts. After the last part the request is accepted. Then the parts are applied, each in
    its own short transaction, so that other accounts' transactions run in between. Other requests that change users of
    the account wait.

    Args:
        decided: yields the rows to write. Its errors pass through, and nothing is written.
        with_acceptance: runs in the transaction that accepts the request.

    Returns: the result of *with_acceptance*.
    Raises: Unavailable: nothing was written. After acceptance nothing is raised: if applying fails, this process or
        another one applies the rest later.
    """
    # Its own task: a client that disconnects must not cancel the write.
    task = asyncio.create_task(_write_in_parts(services, account_id, decided, with_acceptance))
    _running.add(task)
    task.add_done_callback(_running.discard)
    return await asyncio.shield(task)


async def finish_abandoned_writes(services: Services) -> None:
    """Finish large writes whose process has died: apply accepted ones, and remove the others."""
    for account_id in await services.store.read_installation(lambda tx: tx.abandoned_writes(_AT_ONCE)):
        owner = services.ids.uuid()
        if await services.store.write(account_id, lambda tx, owner=owner: tx.large_writes.take_over(owner)):  # type: ignore[misc]
            _log.info("large_write_taken_over")
            await _apply_parts(services, account_id, owner, {})


async def _write_in_parts(
    services: Services,
    account_id: AccountId,
    decided: Callable[[], AsyncIterator[Writes]],
    with_acceptance: Callable[[Transaction], T],
) -> T:
    owner = services.ids.uuid()
    while not await services.store.write(account_id, lambda tx: tx.large_writes.begin(owner)):
        await _wait_for_end(services, account_id)
    with large_request():
        return await _write_as(services, account_id, owner, decided, with_acceptance=with_acceptance)


async def _write_as(
    services: Services,
    account_id: AccountId,
    owner: str,
    decided: Callable[[], AsyncIterator[Writes]],
    *,
    with_acceptance: Callable[[Transaction], T],
) -> T:
    """Write as the owner of the account's large write."""

    def accept(tx: Transaction) -> T:
        tx.large_writes.accept(owner)
        return with_acceptance(tx)

    try:
        held = await _store_parts(services, account_id, owner, decided)
        accepted = await services.store.write(account_id, accept)
    except LargeWriteLost as error:
        raise Unavailable("this process took too long over a large request", UnavailableCause.TOO_SLOW) from error
    except Exception:
        await services.store.write(account_id, lambda tx: tx.large_writes.remove(owner))
        raise
    try:
        await _apply_parts(services, account_id, owner, held)
    except (Unavailable, LargeWriteLost) as error:
        _log.warning("large_write_left", error=str(error))
    return accepted


async def _store_parts(
    services: Services, account_id: AccountId, owner: str, decided: Callable[[], AsyncIterator[Writes]]
) -> dict[int, Writes]:
    """Store the parts of a write.

    Returns: the first parts by number, so that they need not be decoded again.
    """
    held: dict[int, Writes] = {}
    streams = len(await services.store.read(account_id, lambda tx: tx.streams.taking_events()))
    stored = 0
    waiting: list[Writes] = []

    async def store(parts: Sequence[Writes]) -> None:
        nonlocal stored
        first = stored
        held.update(enumerate(parts[: _HELD_PARTS - len(held)], first))
        await give_way()
        await services.store.write(account_id, lambda tx: tx.large_writes.add_parts(owner, first, parts))
        stored += len(parts)

    async for writes in decided():
        for part in cut(writes, streams):
            waiting.append(part)
            if len(waiting) >= _STORED_AT_ONCE * (1 if small_requests_wait() else _PARTS_AT_ONCE):
                await store(waiting)
                waiting = []
    await store(waiting)
    return held


async def _apply_parts(services: Services, account_id: AccountId, owner: str, held: Mapping[int, Writes]) -> None:
    """Apply the remaining parts of an accepted write.

    Args:
        held: parts that this process still has in memory, by number.

    Raises: Unavailable; LargeWriteLost.
    """

    def apply_some(tx: Transaction) -> tuple[list[WokenLane], bool]:
        """Apply the next parts. Return the lanes to wake, and whether the write has ended."""
        queued: list[WokenLane] = []
        for _ in range(_PARTS_AT_ONCE):
            part = tx.large_writes.take_part(owner, held)
            if part is None:
                return queued, True
            queued += apply(tx, part, services)
            if small_requests_wait():
                break
        return queued, False

    has_ended = False
    while not has_ended:
        await give_way()
        queued, has_ended = await services.store.write(account_id, apply_some)
        services.wake(queued)


async def _wait_for_end(services: Services, account_id: AccountId) -> None:
    """Wait until the account's large write has ended. Requests that wait at the same time share the polling.

    Raises: Unavailable.
    """
    await services.gathering.join((_wait_for_end, account_id), None, partial(_poll_for_end, services, account_id))


async def _poll_for_end(
    services: Services, account_id: AccountId, requests: Sequence[None]
) -> Sequence[Exception | None]:
    until = services.clock.monotonic() + _WAIT_SECONDS
    while await services.store.read(account_id, lambda tx: tx.large_writes.is_running()):
        if services.clock.monotonic() > until:
            return [Unavailable("a large request of this account is being written")] * len(requests)
        await services.clock.sleep(_POLL_SECONDS)
    return [None] * len(requests)
