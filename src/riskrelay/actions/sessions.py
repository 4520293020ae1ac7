"""Sessions of the console: start, resume, end."""

from datetime import timedelta

from riskrelay.core.credentials import SESSION_LIFE, Session, StoredToken, hash_token
from riskrelay.core.errors import SessionEnded
from riskrelay.ports import Installation, Outside


async def start_session(outside: Outside, token: StoredToken) -> str:
    """Start a session of the console for *token*.

    Returns: the session's secret, which is not stored.
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


PRECISION = timedelta(minutes=1)  # chosen: a session writes its last use at most once a minute


async def resume_session(outside: Outside, secret: str, *, is_person: bool) -> Session:
    """Find a session by its secret.

    Args:
        is_person: whether a person caused the request; False: the page refreshed itself, which does not extend the
            session.

    Raises: SessionEnded: the session has ended or never existed, or its token was revoked or has expired.
    """
    digest = hash_token(secret)
    session = await outside.store.read_installation(lambda tx: tx.sessions.by_hash(digest))
    now = outside.clock.now()
    if session is None or session.ended_at(now):
        raise SessionEnded
    if is_person:
        outside.token_uses.note(session.token, now)
        if now - session.seen_at >= PRECISION:
            await outside.store.write_installation(lambda tx: tx.sessions.note_seen(session, now))
    return session


async def end_session(outside: Outside, session: Session) -> None:
    """End a session with immediate effect."""
    await outside.store.write_installation(lambda tx: tx.sessions.end(session))
