"""Sign in to the console."""

from riskrelay.core.credentials import SESSION_LIFE, Session, StoredToken, hash_token
from riskrelay.ports import Installation, Outside


async def start_session(outside: Outside, token: StoredToken) -> str:
    """Start a session of the console for whoever presented *token*.

    Returns: the session's secret, which exists nowhere else.
    """
    now = outside.clock.now()
    secret = outside.ids.secret()
    session = Session(session_hash=hash_token(secret), token=token, started_at=now, seen_at=now)

    def store(tx: Installation) -> None:
        tx.sessions.forget_started_before(now - SESSION_LIFE)
        tx.sessions.end_oldest(token, outside.quotas.console_sessions - 1)
        tx.sessions.add(session)

    await outside.store.write_installation(store)
    return secret
