"""Sessions of the console. Deleting a token deletes its sessions by a foreign key."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from riskrelay.core.credentials import Session, StoredToken
from riskrelay.storage.accounts.credentials import account_key, token_from
from riskrelay.storage.tables import console_sessions, tokens

_SAME_TOKEN = (tokens.c.account_id == console_sessions.c.account_id) & (
    tokens.c.token_id == console_sessions.c.token_id
)
_BY_HASH = (
    select(tokens, console_sessions.c.started_at, console_sessions.c.seen_at)
    .select_from(console_sessions.join(tokens, _SAME_TOKEN))
    .where(console_sessions.c.session_hash == bindparam("hash"))
)
_THIS = (console_sessions.c.account_id == bindparam("account"), console_sessions.c.session_hash == bindparam("hash"))
_NOTE_SEEN = update(console_sessions).where(*_THIS).values(seen_at=bindparam("at"))
_END = delete(console_sessions).where(*_THIS)
_DELETE_OLD = delete(console_sessions).where(console_sessions.c.started_at < bindparam("moment"))

_SURPLUS = (
    select(console_sessions.c.session_hash)
    .where(console_sessions.c.account_id == bindparam("account"), console_sessions.c.token_id == bindparam("token"))
    .order_by(console_sessions.c.started_at.desc(), console_sessions.c.session_hash)
    .offset(bindparam("keep"))
)
_END_SURPLUS = delete(console_sessions).where(
    console_sessions.c.account_id == bindparam("account"), console_sessions.c.session_hash.in_(_SURPLUS)
)


class SessionRows:
    """Implements ports.Sessions."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, session: Session) -> None:
        row = {
            "account_id": account_key(session.token.account_id),
            "session_hash": session.session_hash,
            "token_id": session.token.token_id,
            "started_at": session.started_at,
            "seen_at": session.seen_at,
        }
        self._connection.execute(insert(console_sessions), row)

    def by_hash(self, session_hash: bytes) -> Session | None:
        row = self._connection.execute(_BY_HASH, {"hash": session_hash}).first()
        return (
            None
            if row is None
            else Session(
                session_hash=session_hash, token=token_from(row), started_at=row.started_at, seen_at=row.seen_at
            )
        )

    def note_seen(self, session: Session, at: datetime) -> None:
        self._connection.execute(_NOTE_SEEN, {**_key(session), "at": at})

    def end(self, session: Session) -> None:
        self._connection.execute(_END, _key(session))

    def end_oldest(self, token: StoredToken, keep: int) -> None:
        owner = account_key(token.account_id)
        self._connection.execute(_END_SURPLUS, {"account": owner, "token": token.token_id, "keep": keep})

    def delete_started_before(self, moment: datetime) -> None:
        self._connection.execute(_DELETE_OLD, {"moment": moment})


def _key(session: Session) -> dict[str, object]:
    return {"account": account_key(session.token.account_id), "hash": session.session_hash}
