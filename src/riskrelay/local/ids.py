"""This machine's randomness."""

import os
import random
import secrets
from time import time_ns

_DRAWN = 256  # ids for which random bits are drawn at once: 4 KiB


class SystemIds:
    """Implements ports.Ids."""

    def __init__(self) -> None:
        self._drawn: list[str] = []
        os.register_at_fork(after_in_child=self._drawn.clear)  # two processes never have the same ids

    def uuid(self) -> str:
        # As uuid.uuid4 makes it, but several are needed for each event: drawing the bits of each by itself is half of
        # its cost, and lets another thread take the interpreter (measured: with the ids of findings, a seventh of the
        # CPU of a batch).
        digits = self._digits()
        return f"{digits[:8]}-{digits[8:12]}-4{_end(digits)}"

    def ordered_uuid(self) -> str:
        at = f"{time_ns() // 1_000_000:012x}"
        return f"{at[:8]}-{at[8:]}-7{_end(self._digits())}"

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def jitter(self) -> float:
        return random.random()  # noqa: S311  spreads retries; nothing is guarded by it

    def _digits(self) -> str:
        """Return 128 random bits in hexadecimal."""
        try:
            return self._drawn.pop()
        except IndexError:
            drawn = os.urandom(16 * _DRAWN).hex()
            self._drawn += [drawn[start : start + 32] for start in range(32, len(drawn), 32)]
            return drawn[:32]


def _end(digits: str) -> str:
    """Return the bits of a UUID after its version, with the variant. Rule: RFC 9562 §4.1, §5.4, §5.7."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
