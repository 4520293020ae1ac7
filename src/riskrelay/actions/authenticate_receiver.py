"""Decide whether a receiver's token may do what it asks for."""

import hmac

from riskrelay.core.credentials import hash_token
from riskrelay.core.errors import Forbidden, UnknownToken
from riskrelay.core.integrations import IntegrationId
from riskrelay.core.ssf.access import Receiver, ReceiverScope, covers
from riskrelay.ports import Outside


async def authenticate_receiver(
    outside: Outside, integration_id: IntegrationId, token: str, scope: ReceiverScope
) -> Receiver:
    """Find the token among those of one integration and check that it is good for *scope*.

    Args:
        token: an access token or a static token; those of other integrations are unknown here.

    Raises:
        UnknownToken: the integration has no such token, or it has expired.
        Forbidden: its scopes do not cover the operation.
    Rule: RFC 6750 §3.1; IOP 1.0 §2.7.3.
    """
    digest = hash_token(token)
    stored = await outside.store.read_installation(lambda tx: tx.receivers.by_token(integration_id, digest))
    if stored is None or not hmac.compare_digest(stored.token_hash, digest):
        raise UnknownToken
    if not stored.is_valid(outside.clock.now()):
        raise UnknownToken
    if not covers(stored.receiver.scopes, scope):
        raise Forbidden
    return stored.receiver
