"""This machine's randomness."""

import random
import secrets
from uuid import uuid4


class SystemIds:
    """Implements ports.Ids."""

    def uuid(self) -> str:
        return str(uuid4())

    def secret(self) -> str:
        return secrets.token_urlsafe(32)

    def jitter(self) -> float:
        return random.random()  # noqa: S311  spreads retries; nothing is guarded by it
