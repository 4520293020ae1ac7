"""Users that share a mailbox with another user since addresses are compared by mailbox (migration 0025)."""

from sqlalchemy import Connection, select

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.findings import UserId
from riskrelay.ports import ShadowedUser
from riskrelay.storage.tables import users


def find_shadowed_users(connection: Connection, limit: int) -> list[ShadowedUser]:
    """Return the first *limit* users with a level whose mailbox another user has."""
    # The migration gave them a key that begins with a space, which no address does. A reset takes the level away.
    query = (
        select(users.c.account_id, users.c.user_id)
        .where(users.c.level.is_not(None), users.c.email_key.startswith(" "))
        .order_by(users.c.account_id, users.c.user_id)
        .limit(limit)
    )
    return [
        ShadowedUser(account_id=AccountId(row.account_id), user_id=UserId(row.user_id))
        for row in connection.execute(query)
    ]
