"""Create signing keys and sign SETs. Only this module and the receiver's verifier use the JOSE library."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import chain

import structlog
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64decode

from riskrelay.core.errors import Misconfigured, Unavailable
from riskrelay.core.keys import Algorithm, KeyState, SealedKey, key_in, published, sealed_row
from riskrelay.ports import Clock, Proof
from riskrelay.signing.private_key import KINDS, PrivateKey
from riskrelay.signing.sealing import MasterKey
from riskrelay.signing.signing_pool import SigningPool

_log = structlog.get_logger()

RSA_BITS = 2_048  # IOP 1.0 §2.6: at least; more costs time on every event
_CURVE = "P-256"
_THREADS = 2  # measured: RSA releases the GIL, two threads sign 1.9 times what one does on two cores
_PART = 8  # payloads that one thread or process signs in a go, so that a long list occupies all of them
REREAD_AFTER = timedelta(seconds=1)  # chosen: a few rows; how long a node may go on with a key that was just retired


def new_signing_key(algorithm: Algorithm, master_key: MasterKey, at: datetime) -> SealedKey:
    """Return a fresh key, its private part sealed.

    Rule: IOP 1.0 §2.6; RFC 7638 (kid).
    """
    key: RSAKey | ECKey
    if algorithm is Algorithm.RS256:
        key = RSAKey.generate_key(RSA_BITS, auto_kid=True)
    else:
        key = ECKey.generate_key(_CURVE, auto_kid=True)
    public = {**key.as_dict(private=False), "use": "sig", "alg": algorithm.value, "kid": key.kid}
    sealed = master_key.seal(key.as_pem(private=True), sealed_row("signing_keys", key.kid or ""))
    return SealedKey(
        kid=key.kid or "", algorithm=algorithm, public_jwk=json.dumps(public), sealed_private=sealed, created_at=at
    )


class KeySigner:
    """Implements ports.Signer and ports.Proofs with the current key of each algorithm, which it reads again every few
    seconds.

    A retired key continues to sign while its successor cannot be opened, because the master key of another node is
    newer. Receivers still find the retired key in the JWKS.

    Args:
        read_keys: reads the stored keys.
        horizon: the time that a retired key stays in the JWKS.
    """

    def __init__(
        self,
        read_keys: Callable[[], Awaitable[Sequence[SealedKey]]],
        master_key: MasterKey,
        clock: Clock,
        horizon: timedelta,
    ) -> None:
        self._read_keys = read_keys
        self._master_key = master_key
        self._clock = clock
        self._horizon = horizon
        self._opened: Mapping[Algorithm, PrivateKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._unreadable: set[str] = set()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="signer")
        self._processes = SigningPool(clock)

    async def sign(self, payloads: Sequence[bytes], algorithm: Algorithm) -> list[bytes]:
        await self._reread_when_old()
        key = self._opened.get(algorithm)
        if key is None:
            raise Unavailable(f"no {algorithm} key can be decrypted")
        if len(payloads) < _PART:  # a process costs memory, and a little time: a few are signed here
            return await self._sign_here(key, payloads)
        parts = [payloads[start : start + _PART] for start in range(0, len(payloads), _PART)]
        signed = await asyncio.gather(*(self._sign_part(key, part) for part in parts))
        return list(chain.from_iterable(signed))

    async def _sign_part(self, key: PrivateKey, payloads: Sequence[bytes]) -> list[bytes]:
        signed = await self._processes.sign(key, payloads)
        return await self._sign_here(key, payloads) if signed is None else signed

    async def _sign_here(self, key: PrivateKey, payloads: Sequence[bytes]) -> list[bytes]:
        if key.algorithm is Algorithm.ES256:  # measured: slower in threads than inline
            return key.sign_all(payloads)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, key.sign_all, payloads)
        except RuntimeError as error:  # the pool has shut down
            raise Unavailable("the signer is stopped") from error

    async def prove(self, payload: bytes, algorithm: Algorithm) -> Proof:
        (token,) = await self.sign([payload], algorithm)
        header = json.loads(urlsafe_b64decode(token.split(b".")[0]))
        keys = published(await self._read_keys(), self._clock.now(), self._horizon)
        key = next((key for key in keys if key.kid == header["kid"]), None)
        return Proof(header, "its key is not published" if key is None else _problem(token, key))

    async def require_keys(self) -> None:
        """Open the keys now.

        Raises: Misconfigured: one is missing, or the master key does not open it.
        """
        stored = await self._read_keys()
        for algorithm in Algorithm:
            current = key_in(stored, algorithm, KeyState.CURRENT)
            if current is None:
                raise Misconfigured("there is no signing key; run `riskrelay init`")
            await asyncio.to_thread(_opened, current, self._master_key)
        await self._reread_when_old()

    def close(self) -> None:
        """End the threads and processes."""
        self._threads.shutdown()
        self._processes.close()

    async def _reread_when_old(self) -> None:
        if not self._is_old():
            return
        async with self._reading:
            if self._is_old():
                await self._reread()
                self._read_at = self._clock.monotonic()

    def _is_old(self) -> bool:
        return self._clock.monotonic() - self._read_at > REREAD_AFTER.total_seconds()

    async def _reread(self) -> None:
        try:
            stored = await self._read_keys()
        except Unavailable:
            if not self._opened:
                raise
            return  # what was opened is still good: only a rotation changes it
        opened = {algorithm: await self._open(stored, algorithm) for algorithm in Algorithm}
        self._opened = {algorithm: key for algorithm, key in opened.items() if key is not None}

    async def _open(self, stored: Sequence[SealedKey], algorithm: Algorithm) -> "PrivateKey | None":
        held = self._opened.get(algorithm)
        current = key_in(stored, algorithm, KeyState.CURRENT)
        if current is None or (held is not None and held.kid == current.kid):
            return held
        try:
            return await asyncio.to_thread(_opened, current, self._master_key)
        except Misconfigured as error:
            if current.kid not in self._unreadable:  # said once, not every second
                self._unreadable.add(current.kid)
                _log.error("signing_key_unreadable", kid=current.kid, error=str(error))
        still_published = {key.kid for key in published(stored, self._clock.now(), self._horizon)}
        return held if held is not None and held.kid in still_published else None


def _problem(token: bytes, key: SealedKey) -> str | None:
    """Return why the public part of *key* does not verify a token; None: it does."""
    try:
        public = KINDS[key.algorithm].import_key(json.loads(key.public_jwk))
        jws.deserialize_compact(token, public, algorithms=[key.algorithm.value])
    except (JoseError, ValueError):
        return "the published key does not verify it"
    return None


def _opened(key: SealedKey, master_key: MasterKey) -> PrivateKey:
    """Raises: Misconfigured: the master key does not open it."""
    return PrivateKey(key.kid, key.algorithm, master_key.open(key.sealed_private, key.row))
