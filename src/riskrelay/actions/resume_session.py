"""Find out who comes back to the console."""

from datetime import timedelta

from riskrelay.core.credentials import Session, hash_token
from riskrelay.core.errors import SessionEnded
from riskrelay.ports import Outside

PRECISION = timedelta(minutes=1)  # chosen: a visit writes at most once a minute


async def resume_session(outside: Outside, secret: str, *, is_person: bool) -> Session:
    """Find a session by its secret.

    Args:
        is_person: whether somebody did something; False: the page fetched by itself, which keeps no session alive.

    Raises: SessionEnded: it is over, its token was revoked or has expired, or it never was.
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
