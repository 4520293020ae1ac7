"""Signing in processes of their own, which may end at any time."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import jwt
import psutil
import pytest

from riskrelay.core.keys import Algorithm, SealedKey
from riskrelay.signing.private_key import PrivateKey
from riskrelay.signing.signing_pool import PROCESSES, RESTART_AFTER, SigningPool
from support.keys import MASTER, make_key
from support.services import HandClock

STORED = {algorithm: make_key(algorithm) for algorithm in Algorithm}
PAYLOADS = [b'{"jti":"%d"}' % number for number in range(40)]


def opened(stored: SealedKey) -> PrivateKey:
    return PrivateKey(stored.kid, stored.algorithm, MASTER.open(stored.sealed_private, stored.row))


RSA = opened(STORED[Algorithm.RS256])


@asynccontextmanager
async def running(clock: HandClock) -> AsyncIterator[SigningPool]:
    pool = SigningPool(clock)
    try:
        yield pool
    finally:
        pool.close()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next round


async def signed(pool: SigningPool, key: PrivateKey = RSA) -> list[bytes]:
    """What a process signs, as soon as one is ready."""
    async with asyncio.timeout(60):
        while (tokens := await pool.sign(key, PAYLOADS)) is None:
            await asyncio.sleep(0.01)
    return tokens


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.01)


def children() -> list[psutil.Process]:
    """The processes that sign for this one, the oldest first."""
    return [child for child in psutil.Process().children() if "riskrelay.signing.signing_process" in child.cmdline()]


async def all_started(pool: SigningPool) -> list[psutil.Process]:
    await signed(pool)
    await until(lambda: pool.ready == PROCESSES)
    return children()


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_a_process_signs_as_this_one_would(algorithm: Algorithm) -> None:
    """Another library verifies each token, in the order of the payloads; RSA's are the same byte by byte."""
    stored = STORED[algorithm]
    async with running(HandClock()) as pool:
        tokens = await signed(pool, opened(stored))
    public = jwt.PyJWK(json.loads(stored.public_jwk))
    assert [jwt.decode(token, public, algorithms=[algorithm.value]) for token in tokens] == [
        json.loads(payload) for payload in PAYLOADS
    ]
    assert {jwt.get_unverified_header(token)["kid"] for token in tokens} == {stored.kid}
    if algorithm is Algorithm.RS256:
        assert tokens == RSA.sign_all(PAYLOADS)


async def test_one_process_signs_with_many_keys() -> None:
    """After a rotation, and for integrations that want another algorithm."""
    async with running(HandClock()) as pool:
        for key in [opened(make_key(Algorithm.ES256)), RSA, opened(make_key(Algorithm.ES256)), RSA]:
            tokens = await signed(pool, key)
            assert {jwt.get_unverified_header(token)["kid"] for token in tokens} == {key.kid}


async def test_without_a_process_that_is_ready_nothing_is_waited_for() -> None:
    """The first call starts them and says that it must be done elsewhere."""
    async with running(HandClock()) as pool:
        assert await pool.sign(RSA, PAYLOADS) is None


async def test_orders_of_a_killed_process_fail_and_it_is_replaced_later() -> None:
    """kill -9, as the kernel does without memory: no call hangs. No new one is tried for some seconds."""
    clock = HandClock()
    async with running(clock) as pool:
        first = await all_started(pool)
        for child in first:
            child.suspend()
        waiting = [asyncio.create_task(pool.sign(RSA, PAYLOADS)) for _ in range(10)]
        await asyncio.sleep(0)
        for child in first:
            child.kill()
        async with asyncio.timeout(60):
            assert await asyncio.gather(*waiting) == [None] * 10
        assert await pool.sign(RSA, PAYLOADS) is None
        assert children() == []
        clock.pass_time(RESTART_AFTER + timedelta(milliseconds=1))
        second = await all_started(pool)
    assert not {child.pid for child in first} & {child.pid for child in second}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_all_processes_is_left_to_the_parent(number: signal.Signals) -> None:
    """`systemctl stop` reaches the children too, while the parent still has to drain."""
    async with running(HandClock()) as pool:
        before = await all_started(pool)
        for child in before:
            os.kill(child.pid, number)
        assert await pool.sign(RSA, PAYLOADS) == RSA.sign_all(PAYLOADS)
        assert children() == before


async def test_closing_ends_the_processes() -> None:
    """At once, without leaving anything behind; nothing is started afterwards."""
    async with running(HandClock()) as pool:
        await all_started(pool)
        pool.close()
        assert children() == []
        assert await pool.sign(RSA, PAYLOADS) is None
        await asyncio.sleep(0)
        assert children() == []


async def test_a_process_gets_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the master key nor the address of the database."""
    monkeypatch.setenv("RISKRELAY_MASTER_KEY", "secret")
    async with running(HandClock()) as pool:
        for child in await all_started(pool):
            assert not [name for name in child.environ() if name.startswith("RISKRELAY_")]


async def test_a_process_imports_nothing_from_the_current_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A process that holds private keys imports no module from the directory in which it was started."""
    (tmp_path / "msgspec.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    async with running(HandClock()) as pool:
        assert await signed(pool) == RSA.sign_all(PAYLOADS)


async def test_a_machine_that_cannot_start_them_signs_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No call fails for it."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "python-that-is-not-there"))
    clock = HandClock()
    async with running(clock) as pool:
        for _ in range(3):
            assert await pool.sign(RSA, PAYLOADS) is None
            await asyncio.sleep(0.01)
            clock.pass_time(RESTART_AFTER + timedelta(milliseconds=1))
    assert children() == []


_PARENT = """
import asyncio, psutil
from riskrelay.local.clock import SystemClock
from riskrelay.signing.signing_pool import SigningPool
from support.keys import MASTER, make_key
from riskrelay.core.keys import Algorithm
from riskrelay.signing.private_key import PrivateKey

async def main():
    stored, pool = make_key(Algorithm.ES256), SigningPool(SystemClock())
    key = PrivateKey(stored.kid, stored.algorithm, MASTER.open(stored.sealed_private, stored.row))
    while await pool.sign(key, [b"{}"]) is None:
        await asyncio.sleep(0.01)
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_processes_end_with_their_parent() -> None:
    """Also when it is killed: the socket closes."""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PARENT), stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "tests"}
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    parent.kill()
    await parent.wait()
    assert pids
    await until(lambda: not any(map(psutil.pid_exists, pids)))


async def test_a_frozen_process_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds nobody up for long, whatever waits behind it, and is replaced like one that was killed."""
    async with running(HandClock()) as pool:
        frozen = await all_started(pool)
        monkeypatch.setattr("riskrelay.signing.signing_pool.ANSWER_WITHIN", timedelta(milliseconds=10))
        for child in frozen:
            child.suspend()
        orders = [pool.sign(RSA, PAYLOADS) for _ in range(3 * len(frozen))]
        assert await asyncio.gather(*orders) == [None] * len(orders)
        await until(lambda: children() == [])
