"""Revoke a token."""

from riskrelay.audit import AuditEntry, Kind, Verb
from riskrelay.credentials import Actor, TokenId
from riskrelay.errors import NotFound
from riskrelay.ports import Installation, Outside


async def revoke_token(outside: Outside, token_id: TokenId, actor: Actor) -> None:
    """Make a token unknown at once. Its name and its uses stay in the audit log.

    Raises: NotFound: no such token.
    """
    entry = AuditEntry(outside.ids.uuid(), outside.clock.now(), actor, Verb.REVOKED, Kind.TOKEN, token_id)

    def store(tx: Installation) -> None:
        token = tx.tokens.get(token_id)
        if token is None:
            raise NotFound
        tx.tokens.delete(token)
        tx.audit_of(token.account_id).record(entry)

    await outside.store.write_installation(store)
