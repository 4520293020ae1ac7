"""Encrypting keys and secrets at rest under the master key."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from riskrelay.core.errors import Misconfigured


def new_master_key() -> str:
    """A fresh master key, in the form the setting takes."""
    return Fernet.generate_key().decode()


class MasterKey:
    """Seals with the first of its keys, opens with any: so a new key can be put in front of the old one.

    Args:
        keys: each 32 bytes, url-safe base64; never empty.

    Raises: Misconfigured: a key has another form.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise Misconfigured(
                "RISKRELAY_MASTER_KEY must be one or more keys of 32 bytes in url-safe base64, separated by commas; "
                "`riskrelay init` makes one"
            ) from error

    def seal(self, secret: bytes) -> bytes:
        """Encrypt and authenticate *secret*."""
        return self._fernet.encrypt(secret)

    def open(self, sealed: bytes) -> bytes:
        """The secret.

        Raises: Misconfigured: it was sealed under another master key.
        """
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise Misconfigured(
                "a stored key was sealed under another master key; set RISKRELAY_MASTER_KEY to the one it was made "
                "with (several may be given, separated by commas)"
            ) from error
