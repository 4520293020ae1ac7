"""Sessions of the console: start, resume, end."""

from datetime import timedelta

from riskrelay.core.credentials import SESSION_LIFE, Session, StoredToken, hash_token
from riskrelay.core.errors import SessionEnded
from riskrelay.ports import Installation, Services


async def start_session(services: Services, token: StoredToken) -> str:
    """Start a session of the console for *token*.

    Returns: the session's secret, which is not stored.
    """
    now = services.clock.now()
    secret = services.ids.secret()
    session = Session(session_hash=hash_token(secret), token=token, started_at=now, seen_at=now)

    def store(tx: Installation) -> None:
        tx.sessions.delete_started_before(now - SESSION_LIFE)
        tx.sessions.end_oldest(token, services.quotas.console_sessions - 1)
        tx.sessions.add(session)

    await services.store.write_installation(store)
    return secret


PRECISION = timedelta(minutes=1)  # chosen: a session writes its last use at most once a minute


async def resume_session(services: Services, secret: str, *, is_person: bool) -> Session:
    """Find a session by its secret.

    Args:
        is_person: whether a person caused the request; False: the page refreshed itself, which does not extend the
            session.

    Raises: SessionEnded: the session has ended or never existed, or its token was revoked or has expired.
    """
    digest = hash_token(secret)
    session = await services.store.read_installation(lambda tx: tx.sessions.by_hash(digest))
    now = services.clock.now()
    if session is None or session.ended_at(now):
        raise SessionEnded
    if is_person:
        services.token_uses.note(session.token, now)
        if now - session.seen_at >= PRECISION:
            await services.store.write_installation(lambda tx: tx.sessions.note_seen(session, now))
    return session


async def end_session(services: Services, session: Session) -> None:
    """End a session with immediate effect."""
    await services.store.write_installation(lambda tx: tx.sessions.end(session))
