"""Keys, sealing and signing."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import jwt
import pytest
from cryptography.fernet import Fernet

from riskrelay.errors import Misconfigured, Unavailable
from riskrelay.outbound.sealing import MasterKey, new_master_key
from riskrelay.outbound.signer import KeySigner, new_signing_key

AT = datetime(2026, 3, 17, tzinfo=UTC)
MASTER = MasterKey([new_master_key()])
KEY = new_signing_key(MASTER, AT)


async def test_a_signature_verifies_with_another_library() -> None:
    """PyJWT, with the public JWK as it is served; the header says what SSF asks for."""
    signer = KeySigner(KEY, MASTER)
    token = await signer.sign(b'{"jti":"1"}')
    signer.close()
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "kid": KEY.kid, "typ": "secevent+jwt"}
    assert jwt.decode(token, jwt.PyJWK(json.loads(KEY.public_jwk)), algorithms=["RS256"]) == {"jti": "1"}


async def test_a_stopped_signer_refuses() -> None:
    """Nothing unsigned is ever returned."""
    signer = KeySigner(KEY, MASTER)
    signer.close()
    with pytest.raises(Unavailable):
        await signer.sign(b"{}")


def test_the_public_part_is_public_and_the_private_part_sealed() -> None:
    """The JWK has no private member; the sealed PEM shows nothing."""
    assert set(json.loads(KEY.public_jwk)) == {"kty", "n", "e", "kid", "use", "alg"}
    assert b"PRIVATE" not in KEY.sealed_private
    assert b"PRIVATE KEY" in MASTER.open(KEY.sealed_private)


def test_each_key_is_another() -> None:
    """kid is the thumbprint, so it differs with the key."""
    keys = sorted(new_signing_key(MASTER, AT).kid for _ in range(3))
    assert all(one != other for one, other in pairwise(keys))


def test_a_master_key_can_be_rotated() -> None:
    """The first seals, all open; without the old one the message says what is missing."""
    old, new = new_master_key(), new_master_key()
    sealed = MasterKey([old]).seal(b"secret")
    both = MasterKey([new, old])
    assert both.open(sealed) == b"secret"
    assert MasterKey([new]).open(both.seal(b"secret")) == b"secret"
    with pytest.raises(Misconfigured, match="another master key"):
        MasterKey([new]).open(sealed)


@pytest.mark.parametrize("key", ["", "secret", "ä" * 44, Fernet.generate_key().decode()[:-4]])
def test_a_master_key_of_another_form_is_refused(key: str) -> None:
    """The message names the setting."""
    with pytest.raises(Misconfigured, match="RISKRELAY_MASTER_KEY"):
        MasterKey([key])
