"""Secrets at rest: under which key, and for which row."""

import pytest
from cryptography.fernet import Fernet

from riskrelay.core.errors import Misconfigured
from riskrelay.signing.sealing import MasterKey, new_master_key

OLD, NEW = new_master_key(), new_master_key()
BOTH = MasterKey([NEW, OLD])
ROW = "streams/acme/s1"


def test_a_master_key_can_be_rotated() -> None:
    """The first seals, all open; without the old one the message says what is missing."""
    sealed = MasterKey([OLD]).seal(b"secret", ROW)
    assert BOTH.open(sealed, ROW) == b"secret"
    assert MasterKey([NEW]).open(BOTH.seal(b"secret", ROW), ROW) == b"secret"
    with pytest.raises(Misconfigured, match=f"the secret of {ROW} .* another master key"):
        MasterKey([NEW]).open(sealed, ROW)


def test_a_value_opens_for_its_own_row_only() -> None:
    """A value that is copied into another row is refused there."""
    sealed = BOTH.seal(b"secret", ROW)
    for other in ("streams/acme/s2", "integrations/acme/s1", "streams/other/s1", ""):
        with pytest.raises(Misconfigured, match="another row"):
            BOTH.open(sealed, other)


@pytest.mark.parametrize("key", [OLD, NEW], ids=["old key", "new key"])
def test_a_value_of_an_older_version_opens_and_is_bound_when_it_is_resealed(key: str) -> None:
    """A Fernet token has no row; sealed again, also under the same key, it is bound to its own."""
    old = Fernet(key).encrypt(b"secret")
    assert BOTH.open(old, ROW) == b"secret"
    new = BOTH.resealed(old, ROW)
    assert new is not None
    assert MasterKey([NEW]).open(new, ROW) == b"secret"
    with pytest.raises(Misconfigured):
        BOTH.open(new, "another row")


def test_only_values_under_another_key_are_resealed() -> None:
    """A second run has nothing to do."""
    assert BOTH.resealed(BOTH.seal(b"secret", ROW), ROW) is None
    assert BOTH.resealed(MasterKey([OLD]).seal(b"secret", ROW), ROW) is not None


@pytest.mark.parametrize("damaged", [b"", b"\x02", b"\x02" + bytes(12), b"\x02" + bytes(60), b"gAAAAA", b"\xff" * 80])
def test_a_damaged_value_is_refused(damaged: bytes) -> None:
    """Whatever the bytes are, with the one error that says what to do."""
    with pytest.raises(Misconfigured):
        BOTH.open(damaged, ROW)
    with pytest.raises(Misconfigured):
        BOTH.resealed(damaged, ROW)


def test_two_seals_of_one_secret_differ() -> None:
    """The nonce is fresh."""
    assert BOTH.seal(b"secret", ROW) != BOTH.seal(b"secret", ROW)
