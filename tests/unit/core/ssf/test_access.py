"""How long a receiver's token may be used."""

from collections.abc import Collection
from datetime import datetime, timedelta

import pytest

from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.access import (
    ACCESS_TOKEN_LIFE,
    CredentialId,
    CredentialKind,
    Receiver,
    ReceiverCredential,
    ReceiverScope,
    ReceiverToken,
    access_token_life,
    covers,
)
from support.services import NOON

READ, MANAGE = ReceiverScope.READ, ReceiverScope.MANAGE
RECEIVER = Receiver(
    account_id=AccountId("acme"), integration_id=IntegrationId("i"), credential_id=CredentialId("c"), scopes=frozenset()
)


@pytest.mark.parametrize(
    ("expires_at", "is_access_token", "valid"),
    [
        (None, False, True),
        (NOON, True, False),
        (NOON + ACCESS_TOKEN_LIFE, True, True),
        (NOON + ACCESS_TOKEN_LIFE + timedelta(minutes=5), True, True),
        (NOON + ACCESS_TOKEN_LIFE + timedelta(minutes=6), True, False),
        (NOON + timedelta(days=20), True, False),
        (NOON + timedelta(days=20), False, True),
        (NOON, False, False),
    ],
)
def test_an_access_token_lives_no_longer_than_it_may(
    expires_at: datetime | None, is_access_token: bool, valid: bool
) -> None:
    """An access token that was issued while the clock was ahead is rejected. A static token expires at its operator's
    time."""
    token = ReceiverToken(receiver=RECEIVER, token_hash=b"", expires_at=expires_at, is_access_token=is_access_token)
    assert token.is_valid(NOON) is valid


@pytest.mark.parametrize(
    ("held", "wanted", "is_covered"),
    [
        ({READ}, READ, True),
        ({MANAGE}, READ, True),
        ({MANAGE}, MANAGE, True),
        ({READ}, MANAGE, False),
        ((), READ, False),
        ((), MANAGE, False),
    ],
)
def test_managing_includes_reading(held: Collection[ReceiverScope], wanted: ReceiverScope, is_covered: bool) -> None:
    """IOP 1.0 §2.7.2: `ssf.manage` is sufficient for reads, `ssf.read` only for reads."""
    assert covers(held, wanted) is is_covered


@pytest.mark.parametrize(
    ("expires_at", "life"),
    [
        (None, ACCESS_TOKEN_LIFE),
        (NOON + timedelta(days=1), ACCESS_TOKEN_LIFE),
        (NOON + timedelta(minutes=7), timedelta(minutes=7)),
    ],
)
def test_an_access_token_ends_with_its_credential(expires_at: datetime | None, life: timedelta) -> None:
    """It is valid for 60 minutes, or until its credential expires if that is earlier."""
    credential = ReceiverCredential(
        account_id=RECEIVER.account_id,
        integration_id=RECEIVER.integration_id,
        credential_id=RECEIVER.credential_id,
        kind=CredentialKind.OAUTH_CLIENT,
        name="receiver",
        secret_hash=b"",
        scopes=frozenset(),
        created_at=NOON,
        expires_at=expires_at,
    )
    assert access_token_life(credential, NOON) == life
