"""The lives of signing keys, drawn."""

from datetime import datetime, timedelta

from riskrelay.core.keys import Algorithm, SealedKey
from riskrelay.web.console.key_lives import life_of
from support.services import NOON

DAY = timedelta(days=1)


def key(created: datetime, signs: datetime | None = None, retired: datetime | None = None) -> SealedKey:
    return SealedKey(
        kid="k",
        algorithm=Algorithm.ES256,
        public_jwk="{}",
        sealed_private=b"",
        created_at=created,
        signs_from=signs,
        retired_at=retired,
    )


def test_a_life_has_the_parts_that_have_begun() -> None:
    """A next key is only published; a retired one has all three parts, in order and without gaps."""
    now = NOON + 10 * DAY
    (published,) = life_of(key(NOON), NOON, now)
    assert (published.words, published.start) == ("published in advance", 0)
    parts = life_of(key(NOON, NOON + 2 * DAY, NOON + 8 * DAY), NOON, now)
    assert [part.words for part in parts] == ["published in advance", "signing", "retired, still published"]
    assert [part.start + part.width for part in parts[:2]] == [part.start for part in parts[1:]]
    assert parts[-1].start + parts[-1].width <= 1_000
    assert parts[1].width > 2 * parts[0].width


def test_a_short_part_can_be_seen() -> None:
    """A key that signs from its creation on is not published in advance."""
    now = NOON + 400 * DAY
    (signing,) = life_of(key(NOON, NOON), NOON, now)
    assert signing.words == "signing"
    assert all(part.width >= 6 for part in life_of(key(NOON, now - timedelta(seconds=1)), NOON, now))
