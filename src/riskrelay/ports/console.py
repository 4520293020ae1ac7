"""What the console needs of a store and nothing else does."""

from datetime import datetime
from typing import Protocol

from riskrelay.credentials import Session


class Sessions(Protocol):
    """Who is signed in to the console."""

    def add(self, session: Session) -> None:
        """Store a new one."""

    def by_hash(self, session_hash: bytes) -> Session | None:
        """The session with that hash, and its token as it is now; None also when the token was revoked."""

    def note_seen(self, session: Session, at: datetime) -> None:
        """Write down that somebody was there."""

    def end(self, session: Session) -> None:
        """Forget one."""

    def forget_started_before(self, moment: datetime) -> None:
        """Forget those that are too old to be good for anything."""
