"""Sessions of the console, on both engines."""

from dataclasses import replace
from datetime import timedelta

import pytest

from riskrelay.actions.accounts import create_account
from riskrelay.actions.sessions import end_session, resume_session, start_session
from riskrelay.actions.tokens import create_token, revoke_token
from riskrelay.core.credentials import COMMAND_LINE, SESSION_IDLE, SESSION_LIFE, Scope, StoredToken, hash_token
from riskrelay.core.errors import SessionEnded
from riskrelay.core.quotas import Quotas
from riskrelay.ports import Services, Store
from support.services import HandClock, services_of
from support.world import ACCOUNT

MINUTE = timedelta(minutes=1)


async def signed_in(store: Store, clock: HandClock, **token: timedelta) -> tuple[Services, StoredToken, str]:
    services = services_of(store, clock)
    await create_account(services, ACCOUNT, COMMAND_LINE)
    lives = token.get("lives")
    expires_at = None if lives is None else clock.now() + lives
    _, stored = await create_token(services, ACCOUNT, COMMAND_LINE, "laptop", {Scope.READ}, expires_at)
    return services, stored, await start_session(services, stored)


async def is_alive(services: Services, secret: str, *, is_person: bool = False) -> bool:
    try:
        await resume_session(services, secret, is_person=is_person)
    except SessionEnded:
        return False
    return True


async def test_a_session_is_found_by_its_secret_and_knows_its_token(store: Store) -> None:
    """The token as it is stored; no other secret finds it, the stored hash least of all."""
    services, token, secret = await signed_in(store, HandClock())
    session = await resume_session(services, secret, is_person=True)
    assert session.token == token
    assert session.session_hash == hash_token(secret)
    for other in (secret + "x", secret[:-1], session.session_hash.hex(), ""):
        with pytest.raises(SessionEnded):
            await resume_session(services, other, is_person=True)


async def test_a_session_ends_with_sign_out_and_with_its_token(store: Store) -> None:
    """At once; other sessions of the token go on until the token itself is revoked."""
    services, token, secret = await signed_in(store, HandClock())
    other = await start_session(services, token)
    await end_session(services, await resume_session(services, secret, is_person=True))
    assert (await is_alive(services, secret), await is_alive(services, other)) == (False, True)
    await revoke_token(services, ACCOUNT, COMMAND_LINE, token.token_id)
    assert not await is_alive(services, other)


async def test_a_session_ends_after_an_hour_without_a_person(store: Store) -> None:
    """What a page fetches by itself keeps no session alive; what a person does, does."""
    clock = HandClock()
    services, _, secret = await signed_in(store, clock)
    clock.pass_time(SESSION_IDLE - MINUTE)
    assert await is_alive(services, secret, is_person=True)
    clock.pass_time(SESSION_IDLE - MINUTE)
    assert await is_alive(services, secret, is_person=False)
    clock.pass_time(MINUTE)
    assert not await is_alive(services, secret, is_person=True)


async def test_a_session_ends_after_its_life_however_busy(store: Store) -> None:
    """And is forgotten when the next one starts."""
    clock = HandClock()
    services, token, secret = await signed_in(store, clock)
    for _ in range(int(SESSION_LIFE / (30 * MINUTE)) - 1):
        clock.pass_time(30 * MINUTE)
        assert await is_alive(services, secret, is_person=True)
    clock.pass_time(30 * MINUTE)
    assert not await is_alive(services, secret, is_person=True)
    clock.pass_time(MINUTE)
    await start_session(services, token)
    stored = await store.read_installation(lambda tx: tx.sessions.by_hash(hash_token(secret)))
    assert stored is None


async def test_a_session_ends_when_its_token_expires(store: Store) -> None:
    """To the microsecond, as the API refuses the token itself."""
    clock = HandClock()
    services, _, secret = await signed_in(store, clock, lives=MINUTE)
    clock.pass_time(MINUTE - timedelta(microseconds=1))
    assert await is_alive(services, secret)
    clock.pass_time(timedelta(microseconds=1))
    assert not await is_alive(services, secret)


async def test_a_session_too_many_ends_the_oldest_of_its_token(store: Store) -> None:
    """The newest go on, and so do those of other tokens."""
    clock = HandClock()
    services, token, first = await signed_in(store, clock)
    services = replace(services, quotas=Quotas(console_sessions=3))
    _, other_token = await create_token(services, ACCOUNT, COMMAND_LINE, "phone", {Scope.READ})
    other = await start_session(services, other_token)
    later = []
    for _ in range(5):
        clock.pass_time(MINUTE)
        later.append(await start_session(services, token))
    alive = [await is_alive(services, secret) for secret in (first, *later)]
    assert alive == [False, False, False, True, True, True]
    assert await is_alive(services, other)
