"""Keys, sealing and signing."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import jwt
import pytest
from cryptography.fernet import Fernet
from joserfc import jws
from joserfc.jwk import RSAKey

from riskrelay.core.errors import Misconfigured, Unavailable
from riskrelay.core.keys import Algorithm, SealedKey, completed, missing, rotated
from riskrelay.signing.sealing import MasterKey, new_master_key
from riskrelay.signing.signer import REREAD_AFTER, KeySigner, new_signing_key
from support.services import HandClock

AT = datetime(2026, 3, 17, tzinfo=UTC)
HORIZON = timedelta(days=7)
MASTER = MasterKey([new_master_key()])
KEY = new_signing_key(Algorithm.RS256, MASTER, AT)
RS256, ES256 = Algorithm.RS256, Algorithm.ES256


class KeyStore:
    """What is stored; `None`: it cannot be read."""

    def __init__(self, master_key: MasterKey = MASTER) -> None:
        fresh = [new_signing_key(algorithm, master_key, AT) for algorithm in missing([])]
        self.keys: list[SealedKey] | None = list(completed([], fresh, AT).added)
        self.reads = 0

    async def read(self) -> Sequence[SealedKey]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.keys is None:
            raise Unavailable("the database rejected the request")
        return self.keys

    def rotate(self, at: datetime, master_key: MasterKey = MASTER) -> None:
        assert self.keys is not None
        fresh = {algorithm: new_signing_key(algorithm, master_key, at) for algorithm in Algorithm}
        changes = rotated(self.keys, fresh, at, HORIZON)
        changed = {key.kid: key for key in (*changes.retired, *changes.promoted)}
        self.keys = [changed.get(key.kid, key) for key in self.keys] + list(changes.added)

    def jwks(self) -> dict[str, jwt.PyJWK]:
        assert self.keys is not None
        return {key.kid: jwt.PyJWK(json.loads(key.public_jwk)) for key in self.keys}


def signer_of(store: KeyStore, clock: HandClock | None = None) -> KeySigner:
    return KeySigner(store.read, MASTER, clock or HandClock(), HORIZON)


async def kid_of(signer: KeySigner, algorithm: Algorithm = RS256) -> str:
    kid: str = jwt.get_unverified_header((await signer.sign([b"{}"], algorithm))[0])["kid"]
    return kid


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_a_signature_verifies_with_another_library(algorithm: Algorithm) -> None:
    """PyJWT, with the public JWK as it is served; the header says what SSF asks for."""
    store = KeyStore()
    signer = signer_of(store)
    (token,) = await signer.sign([b'{"jti":"1"}'], algorithm)
    signer.close()
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"], set(header)) == (algorithm.value, "secevent+jwt", {"alg", "kid", "typ"})
    assert jwt.decode(token, store.jwks()[header["kid"]], algorithms=[algorithm.value]) == {"jti": "1"}


async def test_a_signature_is_what_the_jose_library_makes_of_the_payload() -> None:
    """RSA with PKCS #1 v1.5 always signs alike, so the two ways to a compact JWS can be compared byte by byte; a list
    that is longer than a thread takes at once comes back in its order."""
    store = KeyStore()
    signer = signer_of(store)
    payloads = [b'{"jti":"%d"}' % number for number in range(20)]
    tokens = await signer.sign(payloads, RS256)
    signer.close()
    assert store.keys is not None
    (stored,) = (key for key in store.keys if key.kid == jwt.get_unverified_header(tokens[0])["kid"])
    key = RSAKey.import_key(MASTER.open(stored.sealed_private, stored.row))
    header = {"alg": "RS256", "kid": stored.kid, "typ": "secevent+jwt"}
    assert tokens == [jws.serialize_compact(header, payload, key).encode() for payload in payloads]


async def test_a_stopped_signer_refuses() -> None:
    """Nothing unsigned is ever returned."""
    signer = signer_of(KeyStore())
    await signer.sign([b"{}"], RS256)
    signer.close()
    with pytest.raises(Unavailable):
        await signer.sign([b"{}"], RS256)


async def test_a_rotation_is_noticed_within_seconds_and_keys_are_read_seldom() -> None:
    """Many signatures share one reading; after a few seconds the next one reads again."""
    store, clock = KeyStore(), HandClock()
    signer = signer_of(store, clock)
    first = {await kid_of(signer) for _ in range(5)}
    assert len(first) == store.reads == 1
    store.rotate(clock.now())
    clock.pass_time(REREAD_AFTER + timedelta(milliseconds=1))
    second = set(await asyncio.gather(*(kid_of(signer) for _ in range(20))))
    signer.close()
    assert len(second) == 1
    assert not second & first
    assert store.reads == 2


@pytest.mark.fault(33)
async def test_without_any_key_signing_is_unavailable() -> None:
    """faults.md 33: without any key Unavailable, and nothing unsigned; a key that was read goes on."""
    store, clock = KeyStore(), HandClock()
    keys, store.keys = store.keys, None
    signer = signer_of(store, clock)
    with pytest.raises(Unavailable):
        await signer.sign([b"{}"], RS256)
    store.keys = keys
    kid = await kid_of(signer)
    store.keys = None
    clock.pass_time(timedelta(minutes=1))
    assert await kid_of(signer) == kid
    signer.close()


@pytest.mark.fault(33)
async def test_a_node_with_an_old_master_key_signs_on_while_the_retired_key_is_published() -> None:
    """faults.md 33: keys were rotated under a newer master key; what this node signs still verifies. Once the JWKS
    drops the retired key it refuses."""
    store, clock = KeyStore(), HandClock()
    signer = signer_of(store, clock)
    before = await kid_of(signer)
    newer = MasterKey([new_master_key()])
    for _ in range(2):  # the first one promotes a key that this node can open
        store.rotate(clock.now(), newer)
        clock.pass_time(timedelta(minutes=1))
        kid = await kid_of(signer)
    assert kid in store.jwks()
    assert kid != before
    clock.pass_time(HORIZON)
    with pytest.raises(Unavailable):
        await signer.sign([b"{}"], RS256)
    signer.close()


async def test_a_start_without_usable_keys_names_the_problem() -> None:
    """No key at all, or another master key."""
    store = KeyStore()
    await signer_of(store).require_keys()
    with pytest.raises(Misconfigured, match="another master key"):
        await signer_of(KeyStore(MasterKey([new_master_key()]))).require_keys()
    assert store.keys is not None
    store.keys = [replace(key, retired_at=AT) for key in store.keys]
    with pytest.raises(Misconfigured, match="riskrelay init"):
        await signer_of(store).require_keys()


def test_the_public_part_is_public_and_the_private_part_sealed() -> None:
    """The JWK has no private member; the sealed PEM shows nothing."""
    assert set(json.loads(KEY.public_jwk)) == {"kty", "n", "e", "kid", "use", "alg"}
    assert b"PRIVATE" not in KEY.sealed_private
    assert b"PRIVATE KEY" in MASTER.open(KEY.sealed_private, KEY.row)


def test_each_key_is_another() -> None:
    """kid is the thumbprint, so it differs with the key."""
    keys = sorted(new_signing_key(RS256, MASTER, AT).kid for _ in range(3))
    assert all(one != other for one, other in pairwise(keys))


@pytest.mark.parametrize(
    "key", ["", "secret", "ä" * 44, Fernet.generate_key().decode()[:-4]], ids=["empty", "a word", "not ASCII", "cut"]
)
def test_a_master_key_of_another_form_is_refused(key: str) -> None:
    """The message names the setting."""
    with pytest.raises(Misconfigured, match="RISKRELAY_MASTER_KEY"):
        MasterKey([key])
