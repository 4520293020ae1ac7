"""Maps events in separate processes: some for the shipped mappings, others for the mappings of accounts.

A mapping of an account is untrusted code. The process that evaluates it has no secret, and limits of memory and
processor time. When it exceeds one, it is replaced, and the mapping is refused for a while, so that other accounts are
not affected.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from weakref import WeakValueDictionary

import msgspec
import structlog

from riskrelay.core.integrations import AccountId
from riskrelay.core.sources.mappings import MappingDocument, Problem
from riskrelay.core.sources.reasons import Reason, sentence
from riskrelay.core.sources.signals import Mapped, Refused
from riskrelay.mapping.evaluators import Evaluators, MappingEndedError
from riskrelay.mapping.events import encode_event
from riskrelay.mapping.mapping_process import Order
from riskrelay.mapping.shipped import shipped_mapping, shipped_texts
from riskrelay.ports import Clock

_log = structlog.get_logger()

REFUSED_FOR = timedelta(minutes=10)
CHUNK = 256  # events per order: decoding the answer blocks the event loop for a millisecond
_MAX_ENDED = 3  # of the shipped mappings' process in one call
_MAX_REFUSED = 10_000

_decode_mapped = msgspec.msgpack.Decoder(list[Mapped]).decode
_decode_problems = msgspec.msgpack.Decoder(list[Problem]).decode


class MappingPool:
    """Maps in processes that are started on first use and restarted when they end. Close it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._for_shipped = Evaluators("shipped")
        self._for_own = Evaluators("own")
        self._turns: WeakValueDictionary[AccountId, asyncio.Lock] = WeakValueDictionary()
        self._refused: OrderedDict[tuple[AccountId, bytes], tuple[float, Reason]] = OrderedDict()

    @property
    def shipped(self) -> Mapping[str, MappingDocument]:
        """The mapping documents of this version, by kind."""
        return {kind: shipped_mapping(kind) for kind in shipped_texts()}

    async def check(self, document: MappingDocument, owner: AccountId) -> Sequence[Problem]:
        """Return the problems of the expressions of an account's own document, in order."""
        async with self._turn(owner):
            try:
                return _decode_problems(await self._for_own.ask(Order(document.content, None)))
            except MappingEndedError as ended:
                return (Problem("", sentence(ended.reason)),)

    async def map(
        self, document: MappingDocument, events: Sequence[object], owner: AccountId | None = None
    ) -> list[Mapped]:
        """Map decoded events, in chunks, so that this process can do other work between them.

        Args:
            document: a checked document.
            owner: the account that wrote the document; None: it is a shipped one.

        Returns: the result for each event, in the order of *events*.
        """
        mapped: list[Mapped] = []
        for start in range(0, len(events), CHUNK):
            chunk = events[start : start + CHUNK]
            mapped += await (
                self._map_shipped(document, chunk) if owner is None else self._map_own(document, chunk, owner)
            )
        return mapped

    def close(self) -> None:
        """End the processes."""
        self._for_shipped.end()
        self._for_own.end()

    async def _map_own(self, document: MappingDocument, events: Sequence[object], owner: AccountId) -> list[Mapped]:
        """Map with an account's document, unless it has recently exceeded its limits."""
        async with self._turn(owner):
            reason = self._refused_now(owner, document.content)
            if reason is None:
                try:
                    return await _map_with(self._for_own, document, events)
                except MappingEndedError as ended:
                    reason = ended.reason
                    self._refuse(owner, document.content, reason)
        return [Refused(reason=reason, detail=sentence(reason))] * len(events)

    async def _map_shipped(self, document: MappingDocument, events: Sequence[object]) -> list[Mapped]:
        """Map with a shipped document. If an event ends the process, the events are mapped one by one."""
        try:
            return await _map_with(self._for_shipped, document, events)
        except MappingEndedError as ended:
            reason = ended.reason
        mapped: list[Mapped] = []
        ended_times = 1
        for event in events:
            if ended_times >= _MAX_ENDED:
                mapped.append(Refused(reason=reason))
                continue
            try:
                mapped += await _map_with(self._for_shipped, document, [event])
            except MappingEndedError as ended:
                reason, ended_times = ended.reason, ended_times + 1
                mapped.append(Refused(reason=reason))
        return mapped

    def _turn(self, owner: AccountId) -> asyncio.Lock:
        """Return the lock that limits an account to one order at a time, so that other accounts get their turn."""
        return self._turns.setdefault(owner, asyncio.Lock())

    def _refused_now(self, owner: AccountId, content: bytes) -> Reason | None:
        until, reason = self._refused.get((owner, content), (0.0, Reason.MAPPING_TOO_SLOW))
        return reason if self._clock.monotonic() < until else None

    def _refuse(self, owner: AccountId, content: bytes, reason: Reason) -> None:
        if reason is Reason.MAPPING_UNAVAILABLE:
            return
        self._refused[owner, content] = (self._clock.monotonic() + REFUSED_FOR.total_seconds(), reason)
        if len(self._refused) > _MAX_REFUSED:
            self._refused.popitem(last=False)
        _log.warning("mapping_refused", account=owner, reason=reason.value)


async def _map_with(evaluators: Evaluators, document: MappingDocument, events: Sequence[object]) -> list[Mapped]:
    """Let a process map events, and refuse here those that none could.

    Raises: MappingEndedError.
    """
    # In a thread: encoding takes some ten microseconds an event.
    encoded = await asyncio.to_thread(lambda: [encode_event(event) for event in events])
    order = Order(document.content, [event for event in encoded if isinstance(event, bytes)])
    answers = iter(_decode_mapped(await evaluators.ask(order)) if order.events else ())
    return [next(answers) if isinstance(event, bytes) else event for event in encoded]
