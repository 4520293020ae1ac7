"""Users and subjects are compared by `email_key` instead of by Unicode's case folding.

Case folding made one user of different mailboxes (straße@ and strasse@). Those that were merged stay one user, with the
address that was seen first: their findings cannot be told apart any more. Users whose addresses are one mailbox now (a
domain with and without a dot at its end, in letters and in Punycode) cannot share a key: the one that was created first
keeps it, and gets all that is found from now on. The other keeps its findings and can be reset, until then. Each such
user is named in the log by id.
"""

import json
import logging
from collections.abc import Iterator
from hashlib import sha256

import sqlalchemy as sa
from alembic import op

from riskrelay.core.email_addresses import email_key
from riskrelay.core.ssf.subjects import email_subject, subject_key

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_PAGE = 5_000
_log = logging.getLogger("riskrelay.migrations")

_USERS = sa.text(
    "SELECT account_id, user_id, email, email_key FROM users WHERE (account_id, user_id) > (:account, :user) "
    "ORDER BY account_id, user_id LIMIT :page"
)
_SET_KEY = sa.text("UPDATE users SET email_key = :key WHERE account_id = :account AND user_id = :user")
_HAS_KEY = sa.text("SELECT 1 FROM users WHERE account_id = :account AND email_key = :key")
_STATEMENTS = sa.text(
    "SELECT account_id, stream_id, subject_hash, subject, position FROM subject_statements "
    'WHERE subject LIKE \'%"format":"email"%\' ORDER BY account_id, stream_id, position DESC'
)


def upgrade() -> None:
    connection = op.get_bind()
    changed = [
        {"account": row.account_id, "user": row.user_id, "email": row.email, "old": row.email_key, "key": key}
        for row in _users(connection)
        if (key := email_key(row.email)) != row.email_key
    ]
    if changed:
        _move_users(connection, changed)
        _move_events(connection, changed)
    _move_statements(connection)


def _users(connection: sa.Connection) -> Iterator[sa.Row[tuple[str, str, str, str]]]:
    """Yield every user, in pages, so that millions need no memory."""
    account, user = "", ""
    while rows := connection.execute(_USERS, {"account": account, "user": user, "page": _PAGE}).all():
        yield from rows
        account, user = rows[-1].account_id, rows[-1].user_id


def _move_users(connection: sa.Connection, changed: list[dict[str, str]]) -> None:
    # First away from every real key, because one user's new key can be another's old one. No address has a space.
    for user in changed:
        connection.execute(_SET_KEY, {**user, "key": f" {user['user']}"})
    for user in changed:  # in the order of their ids, which is that of their creation
        if connection.execute(_HAS_KEY, user).first() is None:
            connection.execute(_SET_KEY, user)
        else:
            _log.warning(
                "user %s of account %s has the same mailbox as another user, who gets all new findings; reset this one",
                user["user"],
                user["account"],
            )


def _move_events(connection: sa.Connection, changed: list[dict[str, str]]) -> None:
    """Let a user's queued events keep their order with those to come, and be found on the user's page."""
    connection.execute(
        sa.text(
            "CREATE TEMPORARY TABLE moved_subjects (account_id TEXT, old TEXT, new TEXT, PRIMARY KEY (account_id, old))"
        )
    )
    moves = {
        (user["account"], _old_subject_key(user["old"])): subject_key(email_subject(user["email"])) for user in changed
    }
    connection.execute(
        sa.text("INSERT INTO moved_subjects VALUES (:account, :old, :new)"),
        [{"account": account, "old": old, "new": new} for (account, old), new in moves.items()],
    )
    same = "moved_subjects.account_id = events.account_id AND moved_subjects.old = events.subject_key"
    connection.execute(
        sa.text(
            f"UPDATE events SET subject_key = (SELECT new FROM moved_subjects WHERE {same}) "
            f"WHERE EXISTS (SELECT 1 FROM moved_subjects WHERE {same})"
        )
    )
    connection.execute(sa.text("DROP TABLE moved_subjects"))


def _old_subject_key(key: str) -> str:
    return json.dumps({"email": key, "format": "email"}, ensure_ascii=False, separators=(",", ":"))


def _move_statements(connection: sa.Connection) -> None:
    """Rewrite what receivers said about subjects. Of two statements that are about one subject now, the last counts."""
    last: dict[tuple[str, str, str], str] = {}
    for row in connection.execute(_STATEMENTS).all():
        key = subject_key(json.loads(row.subject))
        place = {"account": row.account_id, "stream": row.stream_id, "old": row.subject_hash, "position": row.position}
        new = sha256(key.encode()).hexdigest()
        is_first = last.setdefault((row.account_id, row.stream_id, new), row.subject_hash) == row.subject_hash
        if key == row.subject and is_first:
            continue
        where = "WHERE account_id = :account AND stream_id = :stream AND subject_hash = :old AND position = :position"
        if not is_first:
            connection.execute(sa.text(f"DELETE FROM subject_statements {where}"), place)
            continue
        connection.execute(
            sa.text(
                "DELETE FROM subject_statements WHERE account_id = :account AND stream_id = :stream "
                "AND subject_hash = :new"
            ),
            {**place, "new": new},
        )
        connection.execute(
            sa.text(f"UPDATE subject_statements SET subject = :key, subject_hash = :new {where}"),
            {**place, "key": key, "new": new},
        )
