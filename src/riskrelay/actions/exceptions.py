"""Add, change and delete exceptions, and update the levels of the users that they cover."""

from collections.abc import Callable
from datetime import datetime
from typing import Self

from msgspec import Struct
from msgspec.structs import asdict, replace

from riskrelay.actions.releveling import change_rules
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.errors import Fault, FaultKind, Invalid, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.quotas import refuse_above
from riskrelay.core.risk.assessment import ChangeKind
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import Coverage, Effect, ExceptionId, RiskException
from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.risk.rules import LevelRules
from riskrelay.ports import Services, Transaction


class WantedException(Struct, frozen=True, kw_only=True):
    """The exception that a client requests. The members mean the same as those of `RiskException`."""

    coverage: Coverage
    covered: str
    behavior: BehaviorId | None
    effect: Effect
    level: RiskLevel | None
    reason: str
    ends_at: datetime | None

    @classmethod
    def of(cls, exception: "RiskException | WantedException", ends_at: datetime | None) -> Self:
        """Return the members of *exception* with another end."""
        members = {name: getattr(exception, name) for name in cls.__struct_fields__}
        return cls(**{**members, "ends_at": ends_at})

    def stored_as(self, exception_id: ExceptionId, created_at: datetime) -> RiskException:
        """Return the same exception as it is stored."""
        return RiskException(exception_id=exception_id, created_at=created_at, **asdict(self))


async def add_exception(
    services: Services, account_id: AccountId, actor: Actor, wanted: WantedException
) -> RiskException:
    """Add an exception, and update the levels of the users that it covers.

    Adding an exception again with the same members changes nothing, so that a client can repeat its request.

    Returns: the exception, or the stored one with the same members.
    Raises: Invalid: it ends in the past (pointer /ends_at), or the account has too many exceptions.
    """
    now = services.clock.now()
    if wanted.ends_at is not None and wanted.ends_at <= now:
        raise Invalid([Fault(FaultKind.WRONG_VALUE, "/ends_at", "must be in the future")])
    added = wanted.stored_as(ExceptionId(services.ids.ordered_uuid()), now)
    entry = services.audit_entry(actor, Verb.CREATED, Kind.EXCEPTION, added.exception_id, at=now)

    def change(tx: Transaction) -> RiskException:
        stored = tx.exceptions.all()
        same = next((one for one in stored if WantedException.of(one, one.ends_at) == wanted), None)
        if same is not None:
            return same
        refuse_above(services.quotas.exceptions, len(stored), "exceptions", "delete one that has ended")
        tx.exceptions.add(added)
        tx.audit.record(entry)
        return added

    return await _change(services, account_id, actor, change)


async def change_exception(
    services: Services, account_id: AccountId, actor: Actor, exception_id: ExceptionId, wanted: WantedException
) -> RiskException:
    """Overwrite an exception, and update the levels of the users that it covered or covers now.

    Args:
        wanted: if it ends in the past, the exception has ended.

    Raises: NotFound: no such exception in this account.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.EXCEPTION, exception_id)

    def change(tx: Transaction) -> RiskException:
        before = found(tx.exceptions.get(exception_id))
        changed = replace(before, **asdict(wanted))
        if changed != before:
            tx.exceptions.update(changed)
            tx.audit.record(entry)
        return changed

    return await _change(services, account_id, actor, change)


async def delete_exception(services: Services, account_id: AccountId, actor: Actor, exception_id: ExceptionId) -> None:
    """Delete an exception, and update the levels of the users that it covered. Findings keep its id.

    Raises: NotFound: no such exception in this account.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.EXCEPTION, exception_id)

    def change(tx: Transaction) -> RiskException:
        deleted = found(tx.exceptions.get(exception_id))
        tx.exceptions.delete(exception_id)
        tx.audit.record(entry)
        return deleted

    await _change(services, account_id, actor, change)


async def _change(
    services: Services, account_id: AccountId, actor: Actor, change: Callable[[Transaction], RiskException]
) -> RiskException:
    """Store what *change* stores, and update the users whose levels follow from it.

    Returns: the result of the last run of *change*, which is the stored one.
    """
    stored: RiskException | None = None

    def store(tx: Transaction, _before: LevelRules) -> None:
        nonlocal stored
        stored = change(tx)

    await change_rules(services, account_id, actor, store, kind=ChangeKind.EXCEPTION)
    return found(stored)
