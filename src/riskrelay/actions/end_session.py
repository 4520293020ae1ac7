"""Sign out of the console."""

from riskrelay.core.credentials import Session
from riskrelay.ports import Outside


async def end_session(outside: Outside, session: Session) -> None:
    """Make a session's secret unknown at once."""
    await outside.store.write_installation(lambda tx: tx.sessions.end(session))
