"""Clear a user's risk."""

from riskrelay.audit import AuditEntry, Kind, Verb
from riskrelay.credentials import Actor
from riskrelay.delivery.lanes import LaneKey
from riskrelay.errors import NotFound
from riskrelay.integrations import AccountId
from riskrelay.ports import Outside, Transaction
from riskrelay.recording import tell
from riskrelay.risk.assessment import Cause, after_reset
from riskrelay.risk.behaviors import settings_with
from riskrelay.risk.findings import UserId


async def reset_user(outside: Outside, account_id: AccountId, actor: Actor, user_id: UserId) -> None:
    """Take a user's risk level away; the change is sent like any other. The findings stay recorded.

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
        _, queued = tell(tx, [(before, after)], settings, Cause.ADMIN, now, outside.ids)
        return queued

    outside.wake(await outside.store.write(account_id, store))
