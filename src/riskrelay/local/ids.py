"""This machine's randomness."""

import os
import random
import secrets
from time import time_ns

_DRAWN = 256  # ids for which random bits are drawn at once: 4 KiB
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The digit of a UUID with its variant, by the random one. Rule: RFC 9562 §4.1, §5.4, §5.7."""


class SystemIds:
    """Implements ports.Ids."""

    def __init__(self) -> None:
        self._drawn: list[str] = []
        os.register_at_fork(after_in_child=self._drawn.clear)  # two processes never have the same ids

    def uuid(self) -> str:
        # As uuid.uuid4 makes it, but several are needed for each event: drawing the bits of each by itself is half of
        # its cost, and lets another thread take the interpreter (measured: with the ids of findings, a seventh of the
        # CPU of a batch).
        try:  # not a look at the list before: another thread may take the last one meanwhile
            digits = self._drawn.pop()
        except IndexError:
            digits = self._draw()
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"

    def ordered_uuid(self) -> str:
        at = f"{time_ns() // 1_000_000:012x}"
        try:  # not a look at the list before: another thread may take the last one meanwhile
            digits = self._drawn.pop()
        except IndexError:
            digits = self._draw()
        return f"{at[:8]}-{at[8:]}-7{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def jitter(self) -> float:
        return random.random()  # noqa: S311  spreads retries; nothing is guarded by it

    def _draw(self) -> str:
        """Draw random bits for some ids. Return those of one, 128 bits in hexadecimal."""
        drawn = os.urandom(16 * _DRAWN).hex()
        self._drawn += [drawn[start : start + 32] for start in range(32, len(drawn), 32)]
        return drawn[:32]
