"""Tokens and what they are good for, on both engines."""

import asyncio
from datetime import timedelta

import pytest

from riskrelay.actions.accounts import create_account
from riskrelay.actions.tokens import Authenticated, authenticate, create_token, record_token_uses, revoke_token
from riskrelay.core.credentials import ALL_SCOPES, COMMAND_LINE, StoredToken, TokenId
from riskrelay.core.errors import NotFound, UnknownToken
from riskrelay.core.integrations import AccountId
from riskrelay.ports import Services, Store
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, OTHER


async def two_accounts(store: Store, clock: HandClock | None = None) -> Services:
    services = services_of(store, clock)
    for account_id in (ACCOUNT, OTHER):
        await create_account(services, account_id, COMMAND_LINE)
    return services


async def all_tokens(store: Store) -> list[StoredToken]:
    return await store.read_installation(lambda tx: tx.tokens.all())


async def test_a_token_is_found_by_what_was_presented_only(store: Store) -> None:
    """Contract 15: the whole of it, to the last character."""
    services = await two_accounts(store)
    for owner in (ACCOUNT, None):
        token, stored = await create_token(services, owner, COMMAND_LINE, "ci")
        assert (await authenticate(services, token)).token == stored
        for other in (token + "x", token[:-1], token.upper(), stored.token_id, stored.token_hash.hex()):
            with pytest.raises(UnknownToken):
                await authenticate(services, other)


async def test_requests_in_one_batch_get_their_own_results(store: Store) -> None:
    """Their tokens are looked up at once; each has its own, a stranger none. An account is looked for where the token
    does not say that there is one."""
    services = await two_accounts(store)
    made = [await create_token(services, owner, COMMAND_LINE, "ci") for owner in (ACCOUNT, OTHER, None)]
    (mine, stored), (others, _), (everybodys, _) = made
    nobody = AccountId("nobody")
    asked = [(mine, ACCOUNT), (others, OTHER), (everybodys, OTHER), (everybodys, nobody), (everybodys, None)]
    found = await asyncio.gather(*(authenticate(services, token, account_id) for token, account_id in asked))
    assert [one.token.account_id for one in found] == [ACCOUNT, OTHER, None, None, None]
    assert [one.account_exists for one in found] == [True, True, True, False, True]
    refused, known = await asyncio.gather(
        authenticate(services, "stranger", ACCOUNT), authenticate(services, mine, OTHER), return_exceptions=True
    )
    assert isinstance(refused, UnknownToken)
    assert isinstance(known, Authenticated)
    assert known.token == stored


async def test_an_expired_or_revoked_token_is_unknown(store: Store) -> None:
    """From the moment on; what another owner has cannot be revoked by its id."""
    clock = HandClock()
    services = await two_accounts(store, clock)
    until = NOON + timedelta(days=1)
    token, stored = await create_token(services, ACCOUNT, COMMAND_LINE, "ci", ALL_SCOPES, until)
    clock.pass_time(timedelta(days=1, microseconds=-1))
    await authenticate(services, token)
    clock.pass_time(timedelta(microseconds=1))
    with pytest.raises(UnknownToken):
        await authenticate(services, token)
    other, made = await create_token(services, None, COMMAND_LINE, "operator")
    with pytest.raises(NotFound):
        await revoke_token(services, OTHER, COMMAND_LINE, stored.token_id)
    with pytest.raises(NotFound):
        await revoke_token(services, ACCOUNT, COMMAND_LINE, made.token_id)
    await revoke_token(services, None, COMMAND_LINE, made.token_id)
    with pytest.raises(UnknownToken):
        await authenticate(services, other)
    for gone in (made.token_id, TokenId("never")):
        with pytest.raises(NotFound):
            await revoke_token(services, None, COMMAND_LINE, gone)
    assert await all_tokens(store) == [stored]


async def test_tokens_are_listed_by_owner(store: Store) -> None:
    """An account's, the installation's, or all, oldest first."""
    clock = HandClock()
    services = await two_accounts(store, clock)
    made: list[StoredToken] = []
    for owner in (OTHER, None, ACCOUNT):
        made.append((await create_token(services, owner, COMMAND_LINE, "x"))[1])
        clock.pass_time(timedelta(seconds=1))
    for token in made:
        owner = token.account_id
        assert await store.read_installation(lambda tx, owner=owner: tx.tokens.of(owner)) == [token]  # type: ignore[misc]
    assert await all_tokens(store) == made
    with pytest.raises(NotFound):
        await create_token(services, AccountId("nobody"), COMMAND_LINE, "x")


async def test_the_last_use_only_moves_forward(store: Store) -> None:
    """Uses of many tokens in one transaction; a revoked token is passed over, an older use changes nothing."""
    services = await two_accounts(store)
    (_, one), (_, two), (_, gone) = [
        await create_token(services, owner, COMMAND_LINE, "x") for owner in (ACCOUNT, None, OTHER)
    ]
    await revoke_token(services, OTHER, COMMAND_LINE, gone.token_id)
    later, earlier = NOON + timedelta(hours=2), NOON + timedelta(hours=1)
    await record_token_uses(store, [(two, later), (one, earlier), (gone, later)])
    await record_token_uses(store, [(two, earlier), (one, later)])
    assert {(token.token_id, token.last_used_at) for token in await all_tokens(store)} == {
        (one.token_id, later),
        (two.token_id, later),
    }
