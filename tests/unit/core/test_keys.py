"""The life of signing keys, as functions of what is stored."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.keys import (
    Algorithm,
    KeyChanges,
    KeyState,
    SealedKey,
    completed,
    key_in,
    missing,
    published,
    rotated,
)
from support.services import NOON

HORIZON = timedelta(days=7)


class Installation:
    """The keys of an installation, changed as the store would."""

    def __init__(self) -> None:
        self.keys: list[SealedKey] = []
        self.now = NOON
        self._count = 0

    def fresh(self, algorithm: Algorithm) -> SealedKey:
        self._count += 1
        return SealedKey(
            kid=f"{algorithm}-{self._count}",
            algorithm=algorithm,
            public_jwk="{}",
            sealed_private=b"",
            created_at=self.now,
        )

    def apply(self, changes: KeyChanges) -> None:
        changed = {key.kid: key for key in (*changes.retired, *changes.promoted)}
        gone = {key.kid for key in changes.deleted}
        self.keys = [changed.get(key.kid, key) for key in self.keys if key.kid not in gone] + list(changes.added)

    def complete(self) -> None:
        self.apply(completed(self.keys, [self.fresh(algorithm) for algorithm in missing(self.keys)], self.now))

    def rotate(self) -> None:
        fresh = {algorithm: self.fresh(algorithm) for algorithm in Algorithm}
        self.apply(rotated(self.keys, fresh, self.now, HORIZON))

    def signing(self, algorithm: Algorithm) -> str:
        key = key_in(self.keys, algorithm, KeyState.CURRENT)
        assert key is not None
        return key.kid

    def jwks(self) -> set[str]:
        return {key.kid for key in published(self.keys, self.now, HORIZON)}


def started() -> Installation:
    """After `init`."""
    it = Installation()
    it.complete()
    return it


def test_a_new_installation_has_a_current_and_a_next_key_of_each_algorithm() -> None:
    """And completing it again changes nothing."""
    it = started()
    assert sorted((key.algorithm, key.state) for key in it.keys) == sorted(
        (algorithm, state) for algorithm in Algorithm for state in (KeyState.CURRENT, KeyState.NEXT)
    )
    before = list(it.keys)
    it.complete()
    assert it.keys == before


def test_an_installation_of_before_keeps_its_key_and_gets_the_others() -> None:
    """One RS256 key that signs: it goes on, a next one is published, and ES256 is there."""
    it = Installation()
    it.keys = [replace(it.fresh(Algorithm.RS256), signs_from=NOON)]
    assert missing(it.keys) == [Algorithm.RS256, Algorithm.ES256, Algorithm.ES256]
    it.complete()
    assert it.signing(Algorithm.RS256) == "RS256-1"
    assert missing(it.keys) == []


def test_where_nothing_signs_the_next_key_begins() -> None:
    """It is published already; a fresh one takes its place."""
    it = started()
    it.keys = [key for key in it.keys if key.state is KeyState.NEXT]
    waiting = {key.algorithm: key.kid for key in it.keys}
    it.complete()
    assert {algorithm: it.signing(algorithm) for algorithm in Algorithm} == waiting
    assert missing(it.keys) == []


Step = tuple[str, int]


@given(st.lists(st.tuples(st.sampled_from(["wait", "rotate", "complete"]), st.integers(0, 12 * 24)), max_size=30))
def test_whatever_is_done_to_them_the_keys_keep_their_promises(steps: list[Step]) -> None:
    """After each step of every history: one key of each algorithm signs and one comes next; what signs was in every
    JWKS since the rotation before the one that made it sign; what was signed within the horizon verifies; a rotation
    leaves nothing in the store that was not published when it came."""
    it = started()
    signed: list[tuple[datetime, str]] = []
    snapshots = [(it.now, it.jwks())]
    rotations = [NOON]
    for step, hours in steps:
        it.now += timedelta(hours=hours)
        outlived = {key.kid for key in it.keys} - it.jwks()
        if step == "rotate":
            it.rotate()
            rotations.append(it.now)
            assert not outlived & {key.kid for key in it.keys}
        elif step == "complete":
            it.complete()
        snapshots.append((it.now, it.jwks()))
        for algorithm in Algorithm:
            states = [key.state for key in it.keys if key.algorithm is algorithm]
            assert (states.count(KeyState.CURRENT), states.count(KeyState.NEXT)) == (1, 1)
            kid = it.signing(algorithm)
            signed.append((it.now, kid))
            known_since = rotations[-2] if len(rotations) > 1 else NOON
            assert all(kid in kids for at, kids in snapshots if at > known_since)
        assert all(kid in it.jwks() for at, kid in signed if it.now - at < HORIZON)
