"""Signing keys for tests: real ones, sealed under a master key of the test run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from riskrelay.core.keys import Algorithm, Keyring, SealedKey
from riskrelay.signing.sealing import MasterKey, new_master_key
from riskrelay.signing.signer import KeySigner, new_signing_key
from support.services import NOON, HandClock

MASTER = MasterKey([new_master_key()])
HORIZON = timedelta(days=7)


def make_key(algorithm: Algorithm) -> SealedKey:
    """A fresh key, made at noon."""
    return new_signing_key(algorithm, MASTER, NOON)


def signer_of(*keys: SealedKey) -> KeySigner:
    """A signer for which *keys* sign."""
    current = [replace(key, signs_from=NOON) for key in keys]

    async def read() -> Sequence[SealedKey]:
        return current

    return KeySigner(read, MASTER, HandClock(), HORIZON)


KEYRING = Keyring(make_key, HORIZON)
