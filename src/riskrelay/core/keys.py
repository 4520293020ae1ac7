"""Signing keys: which key signs, which are published, and which may be deleted. Pure functions of the stored keys.

Each algorithm has a current key, which signs, and a next key. A key is first published as the next key. Then it signs,
and then it is retired: it stays published until all SETs that it signed have been verified. Then it is deleted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

JWKS_MAX_AGE = timedelta(hours=1)
"""How long receivers may cache the JWKS. The response says so (web/transmitter/metadata.py)."""


class Algorithm(StrEnum):
    """JOSE algorithms this transmitter signs with. Rule: IOP 1.0 §2.6 (RS256 with 2,048 bits, for all receivers).

    ES256 is for receivers for which the operator selects it.
    """

    RS256 = "RS256"
    ES256 = "ES256"


class KeyState(StrEnum):
    """The state of a key."""

    NEXT = "next"
    CURRENT = "current"
    RETIRED = "retired"


def sealed_row(table: str, *key: str) -> str:
    """Name the row of a sealed value.

    Args:
        key: the row's primary key.

    >>> sealed_row("streams", "acme", "7f1c")
    'streams/acme/7f1c'
    """
    return "/".join((table, *key))


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """A signing key whose private part only the master key opens.

    Attributes:
        kid: RFC 7638 thumbprint.
        public_jwk: JSON, with kid, use and alg, as the JWKS serves it.
        sealed_private: the PEM of the private key, encrypted under the master key.
        signs_from: since when it signs; None: not yet.
        retired_at: since when it signs no more; None: it signs, or will.
    """

    kid: str
    algorithm: Algorithm
    public_jwk: str
    sealed_private: bytes
    created_at: datetime
    signs_from: datetime | None = None
    retired_at: datetime | None = None

    @property
    def row(self) -> str:
        """The name that its private part is sealed under."""
        return sealed_row("signing_keys", self.kid)

    @property
    def state(self) -> KeyState:
        """The state of the key."""
        if self.retired_at is not None:
            return KeyState.RETIRED
        return KeyState.NEXT if self.signs_from is None else KeyState.CURRENT

    def age(self, now: datetime) -> timedelta:
        """Return how long the key has signed, or existed if it does not sign yet."""
        return now - (self.signs_from or self.created_at)


KeyMaker = Callable[[Algorithm], SealedKey]
"""Makes a fresh key that was never published."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """How keys are made, and how long a retired one stays published: as long as an event may be on its way."""

    make: KeyMaker
    horizon: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanges:
    """The changes of keys to store.

    Attributes:
        retired, promoted: changed keys, in their new state.
        added: new keys.
        deleted: keys to delete.
    """

    retired: Sequence[SealedKey] = ()
    promoted: Sequence[SealedKey] = ()
    added: Sequence[SealedKey] = ()
    deleted: Sequence[SealedKey] = ()


def key_in(keys: Iterable[SealedKey], algorithm: Algorithm, state: KeyState) -> SealedKey | None:
    """Return the key of *algorithm* in *state*, if any. At most one key is next, and at most one is current."""
    return next((key for key in keys if key.algorithm is algorithm and key.state is state), None)


def published(keys: Iterable[SealedKey], now: datetime, horizon: timedelta) -> list[SealedKey]:
    """Return the keys that the JWKS contains.

    Args:
        horizon: how long a signed SET may be in transit: the retention of events.

    Returns: the next and the current keys, and the keys retired less than *horizon* ago.
    Rule: IOP 1.0 §2.3.3: the JWKS has the current signing key.
    """
    return [key for key in keys if key.retired_at is None or now - key.retired_at < horizon]


def missing(keys: Sequence[SealedKey]) -> list[Algorithm]:
    """Return the algorithms of the missing current and next keys, one for each key."""
    wanted = (KeyState.CURRENT, KeyState.NEXT)
    return [algorithm for algorithm in Algorithm for state in wanted if key_in(keys, algorithm, state) is None]


def completed(keys: Sequence[SealedKey], fresh: Sequence[SealedKey], now: datetime) -> KeyChanges:
    """Return the changes that give each algorithm a current and a next key.

    If an algorithm has no current key, its next key signs at once.

    Args:
        fresh: new keys for the algorithms that `missing` returned. Keys that are not needed are ignored.
    """
    promoted: list[SealedKey] = []
    added: list[SealedKey] = []
    spare = list(fresh)
    for algorithm in Algorithm:
        following = key_in(keys, algorithm, KeyState.NEXT)
        if key_in(keys, algorithm, KeyState.CURRENT) is None:
            if following is not None:
                promoted.append(replace(following, signs_from=now))
                following = None
            else:
                added.append(replace(_take(spare, algorithm), signs_from=now))
        if following is None:
            added.append(_take(spare, algorithm))
    return KeyChanges(promoted=promoted, added=added)


def rotated(
    keys: Sequence[SealedKey], fresh: Mapping[Algorithm, SealedKey], now: datetime, horizon: timedelta
) -> KeyChanges:
    """Return the changes of a rotation: the next keys sign, the current keys are retired, and new next keys are added.

    Args:
        keys: the stored keys, with a current and a next key of each algorithm.
        fresh: a new key of each algorithm, as its next key.

    Returns: the changes. They also delete keys that are no longer published.
    """
    current = [key for key in keys if key.state is KeyState.CURRENT]
    following = [key for key in keys if key.state is KeyState.NEXT]
    kept = {key.kid for key in published(keys, now, horizon)}
    return KeyChanges(
        retired=[replace(key, retired_at=now) for key in current],
        promoted=[replace(key, signs_from=now) for key in following],
        added=list(fresh.values()),
        deleted=[key for key in keys if key.kid not in kept],
    )


def rotation_problem(keys: Iterable[SealedKey], now: datetime) -> str | None:
    """Return why a rotation is too early; None if it is not.

    Receivers cache the JWKS for `JWKS_MAX_AGE`. A receiver without the key must fetch the JWKS when it sees the new
    kid. Some receivers limit how often they do this, and until then they refuse SETs signed with the new key.
    """
    youngest = max((key.created_at for key in keys if key.state is KeyState.NEXT), default=None)
    if youngest is None or now - youngest >= JWKS_MAX_AGE:
        return None
    ready_at = (youngest + JWKS_MAX_AGE).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"the next keys are not yet published for an hour: wait until {ready_at}, or set at_once when a key has leaked"
    )


def _take(spare: list[SealedKey], algorithm: Algorithm) -> SealedKey:
    key = next(key for key in spare if key.algorithm is algorithm)
    spare.remove(key)
    return key
