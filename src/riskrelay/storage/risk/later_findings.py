"""Users with findings that were recorded after a time."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.storage.tables import findings, users

_RECORDED_AFTER = (
    select(findings.c.user_id)
    .distinct()
    .join(users, (users.c.account_id == findings.c.account_id) & (users.c.user_id == findings.c.user_id))
    .where(
        findings.c.account_id == bindparam("account"),
        findings.c.user_id.in_(bindparam("keys", expanding=True)),
        findings.c.resets == users.c.resets,
        findings.c.recorded_at > bindparam("moment", type_=findings.c.recorded_at.type),
    )
)


def users_with_later_findings(
    connection: Connection, account_id: AccountId, user_ids: Collection[UserId], moment: datetime
) -> frozenset[UserId]:
    """Return those of *user_ids* with a finding that was recorded after *moment* and since their last reset.

    Args:
        user_ids: a few, because the findings of each since the reset are read.
    """
    if not user_ids:
        return frozenset()
    asked = {"account": account_id, "keys": list(user_ids), "moment": moment}
    return frozenset(connection.execute(_RECORDED_AFTER, asked).scalars())
