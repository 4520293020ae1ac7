"""Reset the risk level of a user."""

from msgspec.structs import replace

from riskrelay.actions.applying import apply
from riskrelay.actions.large_writes import write_users
from riskrelay.actions.recording import to_trim
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.handover import WokenLane
from riskrelay.core.errors import found
from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.assessment import ChangeKind, after_reset
from riskrelay.core.risk.explaining import level_change
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import Services, Transaction, Writes

MAX_REASON_CHARACTERS = 500  # guessed: some sentences; it is included in every event


async def reset_user(
    services: Services, account_id: AccountId, actor: Actor, user_id: UserId, reason: str | None = None
) -> None:
    """Clear a user's risk level, and notify the receivers. The findings are kept.

    Args:
        reason: a text for people, sent to the receivers as the events' `reason_admin`, and shown in the history. It is
            not in the audit log, which keeps its entries when the user is erased.

    Raises: NotFound: no such user in this account.
    Rule: contract 21.
    """
    now = services.clock.now()
    entry = services.audit_entry(actor, Verb.RESET, Kind.USER, user_id, at=now)

    def store(tx: Transaction) -> list[WokenLane]:
        before = found(tx.users.get(user_id))
        tx.audit.record(entry)
        after = after_reset(before, now)
        change = level_change(before, after, tx.levels.rules(), ChangeKind.RESET, at=now)
        writes = Writes(
            standings=[after],
            trimmed=to_trim([(before, after)]),
            changes=[] if change is None else [replace(change, note=reason, actor=actor.name)],
        )
        return apply(tx, writes, services)

    services.wake(await write_users(services, account_id, store))
