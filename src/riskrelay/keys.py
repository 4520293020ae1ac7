"""Signing keys as they are stored."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Algorithm(StrEnum):
    """JOSE algorithms this transmitter signs with. Rule: IOP 1.0 §2.6 (RS256, 2,048 bits or more)."""

    RS256 = "RS256"


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A signing key whose private part only the master key opens.

    Attributes:
        kid: RFC 7638 thumbprint.
        public_jwk: JSON, with kid, use and alg, as the JWKS serves it.
        sealed_private: the PEM of the private key, encrypted under the master key.
    """

    kid: str
    algorithm: Algorithm
    public_jwk: str
    sealed_private: bytes
    created_at: datetime
