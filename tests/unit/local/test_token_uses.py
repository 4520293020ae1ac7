"""The last use of tokens: remembered without a write per request, written down together."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from riskrelay.core.credentials import StoredToken, TokenId
from riskrelay.core.errors import Unavailable
from riskrelay.local.token_uses import PendingTokenUses
from riskrelay.ports import Store
from support.services import NOON

ONE = StoredToken(
    token_id=TokenId("one"),
    account_id=None,
    name="x",
    token_hash=b"",
    scopes=frozenset(),
    created_at=NOON,
    expires_at=None,
)
TWO = replace(ONE, token_id=TokenId("two"))
SECOND = timedelta(seconds=1)


class _Tokens:
    def __init__(self) -> None:
        self.written: list[list[tuple[StoredToken, datetime]]] = []

    def record_uses(self, uses: list[tuple[StoredToken, datetime]]) -> None:
        self.written.append(uses)


class _Store:
    """Takes what it is given, or refuses everything."""

    def __init__(self) -> None:
        self.tokens = _Tokens()
        self.refuses = False

    async def write_installation(self, work: Callable[[Any], None]) -> None:
        if self.refuses:
            raise Unavailable
        work(self)


async def flushed(uses: PendingTokenUses, store: _Store) -> list[list[tuple[StoredToken, datetime]]]:
    await uses.flush(cast(Store, store))
    written, store.tokens.written = store.tokens.written, []
    return written


async def test_many_uses_are_one_write() -> None:
    """The latest of each token; nothing when nothing was used."""
    uses, store = PendingTokenUses(), _Store()
    for seconds in range(100):
        uses.note(ONE, NOON + seconds * SECOND)
    uses.note(TWO, NOON)
    assert await flushed(uses, store) == [[(ONE, NOON + 99 * SECOND), (TWO, NOON)]]
    assert await flushed(uses, store) == []


async def test_a_use_that_is_known_to_the_minute_is_not_written_again() -> None:
    """Less than a minute after the one on record: passed over."""
    uses, store = PendingTokenUses(), _Store()
    recent = replace(ONE, last_used_at=NOON)
    uses.note(recent, NOON + 59 * SECOND)
    assert await flushed(uses, store) == []
    uses.note(recent, NOON + 60 * SECOND)
    assert await flushed(uses, store) == [[(recent, NOON + 60 * SECOND)]]


async def test_what_the_database_refuses_is_kept() -> None:
    """Written with the next flush; a newer use of the same token wins."""
    uses, store = PendingTokenUses(), _Store()
    uses.note(ONE, NOON)
    uses.note(TWO, NOON)
    store.refuses = True
    assert await flushed(uses, store) == []
    uses.note(TWO, NOON + SECOND)
    store.refuses = False
    assert await flushed(uses, store) == [[(ONE, NOON), (TWO, NOON + SECOND)]]


async def test_stopping_writes_the_remaining_uses() -> None:
    """An orderly stop forgets nothing."""
    uses, store = PendingTokenUses(), _Store()
    async with uses.recording(cast(Store, store)):
        uses.note(ONE, NOON)
    assert store.tokens.written == [[(ONE, NOON)]]
