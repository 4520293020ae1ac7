"""How long a receiver's token may be used."""

from datetime import datetime, timedelta

import pytest

from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.core.ssf.access import ACCESS_TOKEN_LIFE, CredentialId, Receiver, ReceiverToken
from support.services import NOON

RECEIVER = Receiver(
    account_id=AccountId("acme"), integration_id=IntegrationId("i"), credential_id=CredentialId("c"), scopes=frozenset()
)


@pytest.mark.parametrize(
    ("expires_at", "is_access_token", "valid"),
    [
        (None, False, True),
        (NOON, True, False),
        (NOON + ACCESS_TOKEN_LIFE, True, True),
        (NOON + ACCESS_TOKEN_LIFE + timedelta(minutes=6), True, False),
        (NOON + timedelta(days=20), True, False),
        (NOON + timedelta(days=20), False, True),
        (NOON, False, False),
    ],
)
def test_an_access_token_lives_no_longer_than_it_may(
    expires_at: datetime | None, is_access_token: bool, valid: bool
) -> None:
    """One that was issued while the clock was ahead is refused; a static token ends when its operator said."""
    token = ReceiverToken(receiver=RECEIVER, token_hash=b"", expires_at=expires_at, is_access_token=is_access_token)
    assert token.is_valid(NOON) is valid
