"""Revoke a token."""

from riskrelay.core.audit import AuditEntry, Kind, Verb
from riskrelay.core.credentials import Actor, TokenId
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Installation, Outside


async def revoke_token(outside: Outside, owner: AccountId | None, actor: Actor, token_id: TokenId) -> None:
    """Make a token unknown at once. That it was there, and what was done with it, stays in the audit log.

    Args:
        owner: the account it belongs to; None: the installation.

    Raises: NotFound: no such token there.
    """
    entry = AuditEntry(
        entry_id=outside.ids.uuid(),
        at=outside.clock.now(),
        actor=actor,
        verb=Verb.REVOKED,
        kind=Kind.TOKEN,
        thing_id=token_id,
    )

    def store(tx: Installation) -> None:
        token = tx.tokens.get(owner, token_id)
        if token is None:
            raise NotFound
        tx.tokens.delete(token)
        tx.audit_of(owner).record(entry)

    await outside.store.write_installation(store)
