"""Erase a user: one transaction makes the user invisible, and short ones remove the rows (ADR 0033)."""

from functools import partial

from riskrelay.actions.large_writes import write_users
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.erasures import ErasureStatus
from riskrelay.core.errors import found
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import Services, Transaction

STEP_ROWS = 100  # chosen: SQLite's writer and PostgreSQL's locks are held for some milliseconds
_FIRST_STEPS = 20  # guessed: a request removes as much at once; the chores remove the rest
_AT_ONCE = 100  # guessed: erasures that one call continues, each by one step


async def erase_user(services: Services, account_id: AccountId, actor: Actor, user_id: UserId) -> ErasureStatus:
    """Erase a user and everything about the user. The request is durable on return.

    From then on the user is not found, and no waiting event about the user is sent. A finding for the same address
    makes a new user. Receivers are not notified, so they keep the last level: reset the user first if they should not.

    Returns: whether all rows are removed. If not, the service removes the rest, also after a crash.
    Raises: NotFound: no such user in this account, or the user is erased already.
    """
    entry = services.audit_entry(actor, Verb.ERASED, Kind.USER, user_id)

    def begin(tx: Transaction) -> None:
        if tx.erasures.get(user_id) is not None:
            return  # a repeat goes on with it
        tx.erasures.begin(found(tx.users.get(user_id)), entry.at)
        tx.audit.record(entry)

    await write_users(services, account_id, begin)
    for _ in range(_FIRST_STEPS):
        if not await _step(services, account_id, user_id):
            break
    left = await services.store.read(account_id, lambda tx: tx.erasures.get(user_id))
    return ErasureStatus.COMPLETED if left is None else ErasureStatus.RUNNING


async def continue_erasures(services: Services) -> bool:
    """Take one step of each erasure that is not finished, each in its own transaction.

    Returns: whether another step may follow at once.
    """
    running = await services.store.read_installation(lambda tx: tx.running_erasures(_AT_ONCE))
    return any([await _step(services, account_id, user_id) for account_id, user_id in running])


async def _step(services: Services, account_id: AccountId, user_id: UserId) -> bool:
    return await services.store.write(account_id, partial(_take_step, user_id=user_id))


def _take_step(tx: Transaction, user_id: UserId) -> bool:
    return tx.erasures.step(user_id, STEP_ROWS)
