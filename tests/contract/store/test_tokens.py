"""Tokens and what they are good for, on both engines."""

from datetime import timedelta

import pytest

from riskrelay.actions.authenticate import authenticate
from riskrelay.actions.create_account import create_account
from riskrelay.actions.create_token import create_token
from riskrelay.actions.revoke_token import revoke_token
from riskrelay.credentials import ALL_SCOPES, COMMAND_LINE, Scope, TokenId
from riskrelay.errors import Forbidden, NotFound, UnknownToken
from riskrelay.integrations import AccountId
from riskrelay.ports import Outside, Store
from support.outside import NOON, HandClock, outside_of
from support.world import ACCOUNT, OTHER


async def two_accounts(store: Store, clock: HandClock | None = None) -> Outside:
    outside = outside_of(store, clock)
    for account_id in (ACCOUNT, OTHER):
        await create_account(outside, account_id, COMMAND_LINE)
    return outside


async def test_an_accounts_token_is_good_for_its_account_and_its_scopes(store: Store) -> None:
    """Contract 15: unknown is one thing, not for this account or operation another."""
    outside = await two_accounts(store)
    token, stored = await create_token(outside, ACCOUNT, COMMAND_LINE, "ci", [Scope.READ, Scope.PII_READ])
    assert await authenticate(outside, token, ACCOUNT, Scope.READ) == stored
    assert await authenticate(outside, token, ACCOUNT, Scope.PII_READ) == stored
    for account_id, scope in ((OTHER, Scope.READ), (ACCOUNT, Scope.WRITE), (AccountId("nobody"), Scope.READ)):
        with pytest.raises(Forbidden):
            await authenticate(outside, token, account_id, scope)
    with pytest.raises(UnknownToken):
        await authenticate(outside, token + "x", ACCOUNT, Scope.READ)


async def test_an_installation_token_is_good_for_every_account(store: Store) -> None:
    """Within its scopes; an account that does not exist is not found."""
    outside = await two_accounts(store)
    token, stored = await create_token(outside, None, COMMAND_LINE, "operator", [Scope.OPERATE])
    for account_id in (ACCOUNT, OTHER):
        assert await authenticate(outside, token, account_id, Scope.OPERATE) == stored
        with pytest.raises(Forbidden):
            await authenticate(outside, token, account_id, Scope.READ)
    for nobody in ("nobody", "", "a\0b"):
        with pytest.raises(NotFound):
            await authenticate(outside, token, AccountId(nobody), Scope.OPERATE)


async def test_an_expired_or_revoked_token_is_unknown(store: Store) -> None:
    """From the moment on."""
    clock = HandClock()
    outside = await two_accounts(store, clock)
    until = NOON + timedelta(days=1)
    token, stored = await create_token(outside, ACCOUNT, COMMAND_LINE, "ci", ALL_SCOPES, until)
    clock.pass_time(timedelta(days=1, microseconds=-1))
    await authenticate(outside, token, ACCOUNT, Scope.READ)
    clock.pass_time(timedelta(microseconds=1))
    with pytest.raises(UnknownToken):
        await authenticate(outside, token, ACCOUNT, Scope.READ)
    other, made = await create_token(outside, None, COMMAND_LINE, "operator")
    await revoke_token(outside, made.token_id, COMMAND_LINE)
    with pytest.raises(UnknownToken):
        await authenticate(outside, other, ACCOUNT, Scope.READ)
    for gone in (made.token_id, TokenId("never")):
        with pytest.raises(NotFound):
            await revoke_token(outside, gone, COMMAND_LINE)
    assert await store.read_installation(lambda tx: tx.tokens.all()) == [stored]


async def test_tokens_are_listed_by_owner(store: Store) -> None:
    """An account's, the installation's, or all."""
    outside = await two_accounts(store)
    owners = (ACCOUNT, None, OTHER)
    made = {owner: (await create_token(outside, owner, COMMAND_LINE, "x"))[1] for owner in owners}
    for owner in owners:
        assert await store.read_installation(lambda tx, owner=owner: tx.tokens.of(owner)) == [made[owner]]  # type: ignore[misc]
    assert await store.read_installation(lambda tx: tx.tokens.all()) == list(made.values())
    with pytest.raises(NotFound):
        await create_token(outside, AccountId("nobody"), COMMAND_LINE, "x")
