"""Mappings are evaluated in processes that are bounded and replaced."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psutil
import pytest

from riskrelay.core.integrations import AccountId
from riskrelay.core.sources.mappings import MappingDocument, read_mapping
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import ActivitySignal, Mapped, Refused
from riskrelay.mapping.evaluators import PROCESSES
from riskrelay.mapping.mapping_pool import REFUSED_FOR, MappingPool
from support.services import HandClock

_EVENT = {"id": "1", "mail": "kai@example.com", "at": "2026-11-29T10:00:00Z"}
_ACCOUNT, _OTHER = AccountId("a"), AccountId("b")
_TOO_SLOW = "($f := function($x) { $f($x) }; $f(1))"
_TOO_LARGE = '$pad("x", 2000000000)'


def _document(**rule: Any) -> MappingDocument:
    return read_mapping(
        {"kind": "k", "rules": [{"when": "true", "gives": "login", "user": "mail", "time": "at", "id": "id", **rule}]}
    )


@asynccontextmanager
async def _running() -> AsyncIterator[tuple[MappingPool, HandClock]]:
    clock = HandClock()
    pool = MappingPool(clock)
    try:
        yield pool, clock
    finally:
        pool.close()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next round


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "riskrelay.mapping.mapping_process" in child.cmdline()]


def _reasons(mapped: list[Mapped]) -> list[Reason | None]:
    return [each.reason if isinstance(each, Refused) else None for each in mapped]


async def test_events_are_mapped_in_order_and_those_that_are_no_objects_are_refused() -> None:
    async with _running() as (pool, _):
        events: list[object] = [{**_EVENT, "id": str(number)} for number in range(700)]
        events[5] = "text"
        events[699] = [1]
        mapped = await pool.map(_document(), events)
    assert [each.event_id for each in mapped if isinstance(each, ActivitySignal)] == [
        str(number) for number in range(700) if number not in (5, 699)
    ]
    assert mapped[5] == mapped[699] == Refused(reason=Reason.NOT_AN_OBJECT)


async def test_variables_use_those_before_them() -> None:
    """A variable that follows another one in the document sees it, whatever their names are."""
    rule = {"when": "$a", "gives": "login", "user": "mail", "time": "at", "id": "id"}
    document = read_mapping({"kind": "k", "let": {"z": "true", "a": "$z"}, "rules": [rule]})
    async with _running() as (pool, _):
        (mapped,) = await pool.map(document, [_EVENT])
    assert isinstance(mapped, ActivitySignal)


async def test_an_event_that_nests_too_deeply_is_refused_alone() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    async with _running() as (pool, _):
        document = _document(application="$lowercase(deep)")
        mapped = await pool.map(document, [{**_EVENT, "deep": deep}, {**_EVENT, "deep": deep["a"]}, _EVENT])
    assert _reasons(mapped) == [Reason.TOO_LARGE, None, None]


@pytest.mark.parametrize(
    ("expression", "reason"), [(_TOO_SLOW, Reason.MAPPING_TOO_SLOW), (_TOO_LARGE, Reason.MAPPING_TOO_LARGE)]
)
async def test_a_mapping_that_exceeds_its_bounds_is_refused_for_a_while(expression: str, reason: Reason) -> None:
    hostile = _document(application=expression)
    async with _running() as (pool, clock):
        assert _reasons(await pool.map(hostile, [_EVENT] * 600, _ACCOUNT)) == [reason] * 600
        began = time.process_time()
        assert _reasons(await pool.map(hostile, [_EVENT], _ACCOUNT)) == [reason]
        assert _reasons(await pool.map(_document(), [_EVENT], _ACCOUNT)) == [None]  # changed
        assert _reasons(await pool.map(hostile, [_EVENT], _OTHER)) == [reason]
        assert time.process_time() - began < 5
        await clock.sleep(REFUSED_FOR.total_seconds())
        assert _reasons(await pool.map(hostile, [_EVENT], _ACCOUNT)) == [reason]
        assert len(_children()) <= 1


async def test_a_hostile_mapping_costs_its_account_only() -> None:
    """While one account's mapping runs into its bound again and again, another's is mapped all the time."""
    async with _running() as (pool, _):
        ours = _document()
        assert _reasons(await pool.map(ours, [_EVENT], _OTHER)) == [None]

        async def attack() -> None:
            for number in range(2):
                hostile = _document(application=f"{_TOO_SLOW} & '{number}'")
                assert _reasons(await pool.map(hostile, [_EVENT], _ACCOUNT)) == [Reason.MAPPING_TOO_SLOW]

        attacks = asyncio.gather(*(attack() for _ in range(4)))
        mapped = 0
        while not attacks.done():
            assert _reasons(await pool.map(ours, [_EVENT], _OTHER)) == [None]
            mapped += 1
            await asyncio.sleep(0)
        await attacks
        assert mapped > 8  # more often than once for each attack


async def test_an_event_that_ends_the_shipped_mappings_process_takes_no_other_with_it() -> None:
    document = _document(application=f'id = "bad" ? {_TOO_LARGE} : "fine"')
    async with _running() as (pool, _):
        mapped = await pool.map(document, [_EVENT, {**_EVENT, "id": "bad"}, _EVENT])
        assert _reasons(mapped) == [None, Reason.MAPPING_TOO_LARGE, None]
        assert _reasons(await pool.map(document, [_EVENT])) == [None]


async def test_many_events_that_end_the_process_are_refused_without_trying_each() -> None:
    document = _document(application=_TOO_LARGE)
    async with _running() as (pool, _):
        assert _reasons(await pool.map(document, [_EVENT] * 50)) == [Reason.MAPPING_TOO_LARGE] * 50


async def test_a_document_is_checked_in_a_process() -> None:
    async with _running() as (pool, _):
        assert await pool.check(_document(), _ACCOUNT) == []
        (problem,) = await pool.check(_document(ip="(ip"), _ACCOUNT)
        assert problem.at == "rules[0].ip"
        for expression in (_TOO_SLOW, _TOO_LARGE):
            assert len(await pool.check(_document(ip=expression), _ACCOUNT)) == 1


async def test_a_process_that_was_killed_is_replaced() -> None:
    async with _running() as (pool, _):
        assert _reasons(await pool.map(_document(), [_EVENT])) == [None]
        (child,) = _children()
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
        assert _reasons(await pool.map(_document(), [_EVENT])) == [None]


async def test_a_process_of_a_large_parent_is_kept() -> None:
    """The memory that the parent has taken is not counted as the child's, which would end it after each answer."""
    memory = b"x" * (300 * 2**20)
    async with _running() as (pool, _):
        assert _reasons(await pool.map(_document(), [_EVENT])) == [None]
        children = _children()
        for _ in range(3):
            assert _reasons(await pool.map(_document(), [_EVENT])) == [None]
            await asyncio.sleep(0)
        assert _children() == children
    assert memory


async def test_a_cancelled_caller_does_not_leave_its_answer_to_the_next() -> None:
    async with _running() as (pool, _):
        first = asyncio.create_task(pool.map(_document(application="'first'"), [_EVENT] * 200))
        await asyncio.sleep(0.05)
        first.cancel()
        (mapped,) = await pool.map(_document(application="'second'"), [_EVENT])
        assert isinstance(mapped, ActivitySignal)
        assert mapped.application == "second"
        await asyncio.gather(first, return_exceptions=True)


async def test_calls_at_once_use_few_processes_and_get_their_own_answers() -> None:
    async with _running() as (pool, _):
        answers = await asyncio.gather(
            *(pool.map(_document(application=f"'{number}'"), [_EVENT] * 3) for number in range(20))
        )
        assert len(_children()) <= PROCESSES
    for number, mapped in enumerate(answers):
        assert [each.application for each in mapped if isinstance(each, ActivitySignal)] == [str(number)] * 3


async def test_the_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RISKRELAY_MASTER_KEY", "secret")
    async with _running() as (pool, _):
        await pool.map(_document(), [_EVENT])
        (child,) = _children()
        assert not any(name.startswith("RISKRELAY_") for name in child.environ())


async def test_no_process_is_left_when_the_pool_is_closed() -> None:
    async with _running() as (pool, _):
        await asyncio.gather(pool.map(_document(), [_EVENT]), pool.map(_document(), [_EVENT], _ACCOUNT))
        assert _children()
    assert _children() == []
