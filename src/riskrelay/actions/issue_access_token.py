"""Exchange a receiver's client credentials for an access token."""

from riskrelay.core.errors import UnknownToken
from riskrelay.core.ssf.access import AccessToken, is_current
from riskrelay.ports import Outside, Transaction

MAX_ACCESS_TOKENS = 1_000  # guessed: living ones per client; one that asks on and on loses its oldest


async def issue_access_token(outside: Outside, token: AccessToken) -> None:
    """Store *token*, if the client it is for is still good; forget those that have expired.

    Raises: UnknownToken: the client or its integration is gone, or the client has expired.
    Rule: RFC 6749 §4.4.3.
    """
    now = outside.clock.now()

    def store(tx: Transaction) -> None:
        if tx.integrations.get(token.integration_id) is None:
            raise UnknownToken
        client = tx.receiver_credentials.get(token.integration_id, token.credential_id)
        if client is None or not is_current(client.expires_at, now):
            raise UnknownToken
        tx.receiver_credentials.forget_access_tokens(client, now, keep=MAX_ACCESS_TOKENS - 1)
        tx.receiver_credentials.add_access_token(token)

    await outside.store.write(token.account_id, store)
