"""Signing keys: which one signs, which are published, which may be forgotten. Pure functions of the stored keys.

Of every algorithm there is one key that signs now and one that will sign next. A key's life: published as the next one,
signing, retired but still published until everything it signed has been judged, forgotten.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

JWKS_MAX_AGE = timedelta(hours=1)
"""How long receivers may keep the JWKS (web/transmitter/metadata.py tells them so)."""


class Algorithm(StrEnum):
    """JOSE algorithms this transmitter signs with. Rule: IOP 1.0 §2.6 (RS256 with 2,048 bits, for everybody).

    ES256 is for a receiver that wants it, when an operator says so.
    """

    RS256 = "RS256"
    ES256 = "ES256"


class KeyState(StrEnum):
    """Where a key stands."""

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
        """Where it stands."""
        if self.retired_at is not None:
            return KeyState.RETIRED
        return KeyState.NEXT if self.signs_from is None else KeyState.CURRENT


KeyMaker = Callable[[Algorithm], SealedKey]
"""Makes a fresh key that was never published."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """How keys are made, and how long a retired one stays published: as long as an event may be on its way."""

    make: KeyMaker
    horizon: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanges:
    """What to write down.

    Attributes:
        retired, promoted: keys that are stored, as they are to be from now on.
        added: keys that are not stored yet.
        forgotten: keys that nobody needs any more.
    """

    retired: Sequence[SealedKey] = ()
    promoted: Sequence[SealedKey] = ()
    added: Sequence[SealedKey] = ()
    forgotten: Sequence[SealedKey] = ()


def key_in(keys: Iterable[SealedKey], algorithm: Algorithm, state: KeyState) -> SealedKey | None:
    """The key of *algorithm* in *state*; None when there is none. Of the next and the current there is at most one."""
    return next((key for key in keys if key.algorithm is algorithm and key.state is state), None)


def published(keys: Iterable[SealedKey], now: datetime, horizon: timedelta) -> list[SealedKey]:
    """The keys that the JWKS serves.

    Args:
        horizon: how long something that was signed may still be on its way: the retention of events.

    Returns: the next, the current, and those that were retired less than *horizon* ago.
    Rule: IOP 1.0 §2.3.3: the JWKS has the current signing key.
    """
    return [key for key in keys if key.retired_at is None or now - key.retired_at < horizon]


def missing(keys: Sequence[SealedKey]) -> list[Algorithm]:
    """The algorithms of the keys that must be made for every algorithm to have a current and a next one."""
    wanted = (KeyState.CURRENT, KeyState.NEXT)
    return [algorithm for algorithm in Algorithm for state in wanted if key_in(keys, algorithm, state) is None]


def completed(keys: Sequence[SealedKey], fresh: Sequence[SealedKey], now: datetime) -> KeyChanges:
    """Give every algorithm a current and a next key.

    Where there is no current key the next one begins to sign at once: nothing else can.

    Args:
        fresh: unused keys, as many of each algorithm as `missing` named; those that are not needed are left out.
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
    """Let the published next keys sign, retire those that signed, and publish new next ones.

    Args:
        keys: with a current and a next one of every algorithm.
        fresh: an unused key of every algorithm: the new next one.

    Returns: also what may be forgotten: keys that are not published any more.
    """
    current = [key for key in keys if key.state is KeyState.CURRENT]
    following = [key for key in keys if key.state is KeyState.NEXT]
    kept = {key.kid for key in published(keys, now, horizon)}
    return KeyChanges(
        retired=[replace(key, retired_at=now) for key in current],
        promoted=[replace(key, signs_from=now) for key in following],
        added=list(fresh.values()),
        forgotten=[key for key in keys if key.kid not in kept],
    )


def rotation_problem(keys: Iterable[SealedKey], now: datetime) -> str | None:
    """Say why a rotation is too early now; None when it is not.

    Receivers keep the JWKS for `JWKS_MAX_AGE`. One that does not have the key yet must fetch the JWKS when it sees the
    new kid, and some do that only every so often: until then they refuse what it signed.
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
