"""Add, change and delete exceptions, and update the levels of the users that they cover."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self

from msgspec import Struct
from msgspec.structs import asdict, replace

from riskrelay.actions.applying import apply
from riskrelay.actions.releveling import change_rules, levels_decided_again
from riskrelay.core.audit import Kind, Verb
from riskrelay.core.credentials import Actor
from riskrelay.core.delivery.lanes import LaneKey
from riskrelay.core.errors import Fault, FaultKind, Invalid, found
from riskrelay.core.integrations import AccountId
from riskrelay.core.quotas import refuse_above
from riskrelay.core.risk.assessment import ChangeKind
from riskrelay.core.risk.behaviors import BehaviorId
from riskrelay.core.risk.exceptions import Coverage, Effect, ExceptionId, RiskException
from riskrelay.core.risk.findings import UserRef
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
    def of(cls, exception: RiskException, ends_at: datetime | None) -> Self:
        """Return the members of *exception* with another end."""
        members = {name: getattr(exception, name) for name in cls.__struct_fields__}
        return cls(**{**members, "ends_at": ends_at})


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
    added = RiskException(exception_id=ExceptionId(services.ids.ordered_uuid()), created_at=now, **asdict(wanted))
    entry = services.audit_entry(actor, Verb.CREATED, Kind.EXCEPTION, added.exception_id, at=now)

    def change(tx: Transaction) -> _Stored:
        stored = tx.exceptions.all()
        same = next((one for one in stored if WantedException.of(one, one.ends_at) == wanted), None)
        if same is not None:
            return (same, []), None
        refuse_above(services.quotas.exceptions, len(stored), "exceptions", "delete one that has ended")
        tx.exceptions.add(added)
        tx.audit.record(entry)
        return _with_levels(tx, services, added, [added])

    return await _change(services, account_id, change)


async def change_exception(
    services: Services, account_id: AccountId, actor: Actor, exception_id: ExceptionId, wanted: WantedException
) -> RiskException:
    """Overwrite an exception, and update the levels of the users that it covered or covers now.

    Args:
        wanted: if it ends in the past, the exception has ended.

    Raises: NotFound: no such exception in this account.
    """
    entry = services.audit_entry(actor, Verb.CHANGED, Kind.EXCEPTION, exception_id)

    def change(tx: Transaction) -> _Stored:
        before = found(tx.exceptions.get(exception_id))
        changed = replace(before, **asdict(wanted))
        if changed == before:
            return (before, []), None
        tx.exceptions.update(changed)
        tx.audit.record(entry)
        return _with_levels(tx, services, changed, [before, changed])

    return await _change(services, account_id, change)


async def delete_exception(services: Services, account_id: AccountId, actor: Actor, exception_id: ExceptionId) -> None:
    """Delete an exception, and update the levels of the users that it covered. Findings keep its id.

    Raises: NotFound: no such exception in this account.
    """
    entry = services.audit_entry(actor, Verb.DELETED, Kind.EXCEPTION, exception_id)

    def change(tx: Transaction) -> _Stored:
        deleted = found(tx.exceptions.get(exception_id))
        tx.exceptions.delete(exception_id)
        tx.audit.record(entry)
        return _with_levels(tx, services, deleted, [deleted])

    await _change(services, account_id, change)


_Stored = tuple[tuple[RiskException, list[LaneKey]], LevelRules | None]
"""The stored exception and the lanes to wake, and the changed rules if users' levels must still be decided."""


async def _change(services: Services, account_id: AccountId, change: Callable[[Transaction], _Stored]) -> RiskException:
    exception, queued = await change_rules(services, account_id, change, ChangeKind.EXCEPTION)
    services.wake(queued)
    return exception


def _with_levels(
    tx: Transaction, services: Services, stored: RiskException, changed: Sequence[RiskException]
) -> _Stored:
    """Update the users that the *changed* exceptions cover, unless they may be many."""
    rules = tx.levels.rules()
    if any(one.coverage is not Coverage.USER for one in changed):
        return (stored, []), rules
    standings = tx.users.find([UserRef(one.covered) for one in changed])
    rules = tx.levels.with_groups(rules, standings)
    writes = levels_decided_again(standings.values(), rules, ChangeKind.EXCEPTION, services.clock.now())
    return (stored, apply(tx, writes, services)), None
