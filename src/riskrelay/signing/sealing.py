"""Encryption of keys and secrets at rest, with the master key."""

import os
from base64 import urlsafe_b64decode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from riskrelay.core.errors import Misconfigured

_BOUND = b"\x02"  # first byte of a value that is bound to its row; a Fernet token, without, begins with "g"
_NONCE_BYTES = 12  # NIST SP 800-38D §8.2: random nonces of 96 bits; far fewer than 2^32 values are ever sealed
_PURPOSE = b"riskrelay sealed values, bound to their rows"


def new_master_key() -> str:
    """Return a fresh master key, in the form of the setting."""
    return Fernet.generate_key().decode()


class MasterKey:
    """Seals with the first of its keys and opens with any, so that a new key can be put before the old one.

    A sealed value is bound to its row: it opens only with the row name that it was sealed with (AES-256-GCM with the
    name as additional data). So writing to the database is not enough to use the secret of one row in another. Values
    of older versions are Fernet tokens without a row name; they open with any until they are sealed again.

    Args:
        keys: each 32 bytes, url-safe base64; never empty.

    Raises: Misconfigured: a key has another form.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
            self._ciphers = [_cipher(urlsafe_b64decode(key)) for key in keys]
        except ValueError as error:
            raise Misconfigured(
                "RISKRELAY_MASTER_KEY must be one or more keys of 32 bytes in url-safe base64, separated by commas; "
                "`riskrelay init` creates one"
            ) from error

    def seal(self, secret: bytes, row: str) -> bytes:
        """Encrypt and authenticate *secret*.

        Args:
            row: the name of the row that holds it (`sealed_row`).
        """
        nonce = os.urandom(_NONCE_BYTES)
        return _BOUND + nonce + self._ciphers[0].encrypt(nonce, secret, row.encode())

    def open(self, sealed: bytes, row: str) -> bytes:
        """Return the secret.

        Raises: Misconfigured: it was sealed under another master key, or for another row.
        """
        if sealed.startswith(_BOUND):
            for cipher in self._ciphers:
                secret = _opened(cipher, sealed, row)
                if secret is not None:
                    return secret
        else:
            try:
                return self._fernet.decrypt(sealed)
            except InvalidToken:
                pass
        raise Misconfigured(
            f"the secret of {row} was encrypted with another master key, or for another row; add that key to "
            "RISKRELAY_MASTER_KEY (separate several keys with commas)"
        )

    def resealed(self, sealed: bytes, row: str) -> bytes | None:
        """Seal a value again under the first key.

        Returns: the new value; None: it is sealed with the first key already, and bound to its row.
        Raises: Misconfigured: none of the keys opens it.
        """
        if sealed.startswith(_BOUND) and _opened(self._ciphers[0], sealed, row) is not None:
            return None
        return self.seal(self.open(sealed, row), row)


def _cipher(key: bytes) -> AESGCM:
    # Fernet uses halves of the same 32 bytes, so this cipher gets a key of its own (RFC 5869).
    return AESGCM(HKDF(SHA256(), 32, None, _PURPOSE).derive(key))


def _opened(cipher: AESGCM, sealed: bytes, row: str) -> bytes | None:
    nonce, encrypted = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, encrypted, row.encode())
    except (InvalidTag, ValueError):
        return None
