"""A private key that signs SETs."""

import json
from collections.abc import Sequence

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64encode

from riskrelay.core.keys import Algorithm
from riskrelay.core.ssf.sets import JOSE_TYPE

KINDS: dict[Algorithm, type[RSAKey] | type[ECKey]] = {Algorithm.RS256: RSAKey, Algorithm.ES256: ECKey}


class PrivateKey:
    """A key that can sign. It is opened once, because reading an RSA key takes 46 ms.

    Args:
        pem: the private part, not encrypted.
    """

    def __init__(self, kid: str, algorithm: Algorithm, pem: bytes) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.pem = pem
        self._key = KINDS[algorithm].import_key(pem)
        self._sign = jws.JWSRegistry.algorithms[algorithm.value].sign
        header = json.dumps({"alg": algorithm.value, "kid": kid, "typ": JOSE_TYPE}, separators=(",", ":"))
        self._head = urlsafe_b64encode(header.encode()) + b"."

    def sign_all(self, payloads: Sequence[bytes]) -> list[bytes]:
        """Return the compact JWS of each payload (RFC 7515 §5.1)."""
        return [self._sign_one(payload) for payload in payloads]

    def _sign_one(self, payload: bytes) -> bytes:
        # Not `jws.serialize_compact`: that checks the same header anew for each payload, which holds the GIL; measured
        # with two threads: 7,200 RS256/s with it, 9,700 without, of 10,200 by `openssl speed -multi 2`.
        signed = self._head + urlsafe_b64encode(payload)
        return signed + b"." + urlsafe_b64encode(self._sign(signed, self._key))
