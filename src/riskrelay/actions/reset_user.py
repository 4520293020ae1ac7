"""Clear a user's risk."""

from msgspec.structs import replace

from riskrelay.audit import AuditEntry, Kind, Verb
from riskrelay.credentials import Actor
from riskrelay.delivery.lanes import LaneKey
from riskrelay.errors import NotFound
from riskrelay.integrations import AccountId
from riskrelay.ports import Outside, Transaction
from riskrelay.recording import queue_changes
from riskrelay.risk.assessment import Cause, after_reset, level_change
from riskrelay.risk.behaviors import settings_with
from riskrelay.risk.findings import UserId


async def reset_user(
    outside: Outside, account_id: AccountId, actor: Actor, user_id: UserId, reason: str | None = None
) -> None:
    """Take a user's risk level away; the change is sent like any other. The findings stay recorded.

    Args:
        reason: for people: it is told to the receivers, in the events' `reason_admin`.

    Raises: NotFound: no such user in this account.
    Rule: contract 21.
    """
    now = outside.clock.now()
    entry = AuditEntry(outside.ids.uuid(), now, actor, Verb.RESET, Kind.USER, user_id)

    def store(tx: Transaction) -> list[LaneKey]:
        before = tx.users.get(user_id)
        if before is None:
            raise NotFound
        tx.audit.record(entry)
        settings = settings_with(tx.behaviors.stored())
        after = after_reset(before, now)
        tx.users.save([after])
        change = level_change(before, after, settings, Cause.ADMIN, now)
        return queue_changes(tx, [] if change is None else [replace(change, note=reason)], outside.ids)

    outside.wake(await outside.store.write(account_id, store))
