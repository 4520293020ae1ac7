"""Tokens and what they are good for, on both engines."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from riskrelay.actions.accounts import create_account
from riskrelay.actions.deciding_findings import FEW
from riskrelay.actions.large_writes import LARGE
from riskrelay.actions.record_findings import record_findings
from riskrelay.actions.tokens import Authenticated, authenticate, confirm, create_token, record_token_uses, revoke_token
from riskrelay.core.credentials import ALL_SCOPES, COMMAND_LINE, StoredToken, TokenId
from riskrelay.core.errors import NotFound, UnknownToken
from riskrelay.core.integrations import AccountId
from riskrelay.local.token_uses import PendingTokenUses
from riskrelay.ports import Services, Store
from support.services import NOON, HandClock, services_of
from support.world import ACCOUNT, OTHER, account_with_integration, finding


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


async def test_a_known_token_needs_no_query_until_its_transaction(store: Store) -> None:
    """The second request is answered from memory, and its own transaction confirms the token."""
    services = await two_accounts(store)
    token, stored = await create_token(services, ACCOUNT, COMMAND_LINE, "ci")
    first = await authenticate(services, token, ACCOUNT, confirms=True)
    second = await authenticate(services, token, ACCOUNT, confirms=True)
    assert (first.is_confirmed, second.is_confirmed, second.token.token_id) == (True, False, stored.token_id)
    await services.store.read(ACCOUNT, lambda tx: confirm(tx, stored.token_hash))
    for other in (stored.token_hash[::-1], b""):
        with pytest.raises(UnknownToken):
            await services.store.read(ACCOUNT, partial(confirm, token_hash=other))
    with pytest.raises(UnknownToken):  # the token of another account
        await services.store.read(OTHER, lambda tx: confirm(tx, stored.token_hash))
    assert (await authenticate(services, token, OTHER, confirms=True)).is_confirmed
    assert (await authenticate(services, token, ACCOUNT)).is_confirmed


async def test_the_use_of_a_known_token_is_noted_once_a_minute(store: Store) -> None:
    """The memory keeps the time of the use that was noted last."""
    clock = HandClock()
    uses = PendingTokenUses()
    services = replace(await two_accounts(store, clock), token_uses=uses)
    token, _ = await create_token(services, ACCOUNT, COMMAND_LINE, "ci")
    noted = []
    for seconds in (0, 59, 1, 30):
        clock.pass_time(timedelta(seconds=seconds))
        await authenticate(services, token, ACCOUNT, confirms=True)
        noted.append(len(uses))
        await uses.flush(store)
    assert noted == [1, 0, 1, 0]


async def test_a_known_token_that_expired_is_unknown(store: Store) -> None:
    """The memory has its time of expiry."""
    clock = HandClock()
    services = await two_accounts(store, clock)
    token, _ = await create_token(services, ACCOUNT, COMMAND_LINE, "ci", ALL_SCOPES, NOON + timedelta(days=1))
    await authenticate(services, token, ACCOUNT, confirms=True)
    clock.pass_time(timedelta(days=1))
    with pytest.raises(UnknownToken):
        await authenticate(services, token, ACCOUNT, confirms=True)


async def test_a_token_of_the_installation_is_always_queried(store: Store) -> None:
    """It acts for any account, and the account may be deleted."""
    services = await two_accounts(store)
    token, _ = await create_token(services, None, COMMAND_LINE, "operator")
    for _ in range(2):
        assert (await authenticate(services, token, ACCOUNT, confirms=True)).is_confirmed


@pytest.mark.parametrize("count", [1, FEW + 1, LARGE + 1])
async def test_findings_of_a_revoked_token_are_not_recorded(store: Store, count: int) -> None:
    """The transaction that would record them finds that the token is gone, whichever node revoked it."""
    services = services_of(store)
    await account_with_integration(services)
    _, stored = await create_token(services, ACCOUNT, COMMAND_LINE, "ci")
    findings = [finding(f"u{number}@example.com") for number in range(count)]
    await revoke_token(services, ACCOUNT, COMMAND_LINE, stored.token_id)
    with pytest.raises(UnknownToken):
        await record_findings(services, ACCOUNT, findings, unconfirmed=stored.token_hash)
    assert (await record_findings(services, ACCOUNT, findings)).accepted == count  # all of them are new
