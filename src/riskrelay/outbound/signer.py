"""Making signing keys and signing SETs: with the receiver's verifier, the only user of the JOSE library."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from joserfc import jws
from joserfc.jwk import RSAKey

from riskrelay.errors import Unavailable
from riskrelay.keys import Algorithm, SealedKey
from riskrelay.outbound.sealing import MasterKey
from riskrelay.ssf.sets import JOSE_TYPE

RSA_BITS = 2_048  # IOP 1.0 §2.6: at least; more costs time on every event
_THREADS = 2  # measured: RSA releases the GIL, two threads sign 1.9 times what one does on two cores


def new_signing_key(master_key: MasterKey, at: datetime) -> SealedKey:
    """A fresh RS256 key, its private part sealed.

    Rule: IOP 1.0 §2.6; RFC 7638 (kid).
    """
    key = RSAKey.generate_key(RSA_BITS, auto_kid=True)
    public = {**key.as_dict(private=False), "use": "sig", "alg": Algorithm.RS256.value, "kid": key.kid}
    return SealedKey(key.kid or "", Algorithm.RS256, json.dumps(public), master_key.seal(key.as_pem(private=True)), at)


class KeySigner:
    """Implements ports.Signer with one key, in threads of its own: RSA lets the event loop go on.

    Args:
        key: the key that signs; opened once, because that takes 46 ms.

    Raises: Misconfigured: the master key does not open it.
    """

    def __init__(self, key: SealedKey, master_key: MasterKey) -> None:
        self._key = RSAKey.import_key(master_key.open(key.sealed_private))
        self._header = {"alg": key.algorithm.value, "kid": key.kid, "typ": JOSE_TYPE}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="signer")

    async def sign(self, payload: bytes) -> bytes:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._sign, payload)
        except RuntimeError as error:  # the pool has shut down
            raise Unavailable("the signer is stopped") from error

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _sign(self, payload: bytes) -> bytes:
        return jws.serialize_compact(dict(self._header), payload, self._key).encode()
