"""Evaluates the rules of accounts in separate processes, within limits of memory and processor time (ADR 0026)."""

import asyncio
from collections.abc import Callable, Sequence
from weakref import WeakValueDictionary

import msgspec
import structlog

from riskrelay.core.integrations import AccountId
from riskrelay.core.risk.policy_rules import StopReason
from riskrelay.core.risk.rule_inputs import Verdict
from riskrelay.core.sources.reasons import Reason
from riskrelay.mapping.evaluators import Evaluators, MappingEndedError
from riskrelay.mapping.mapping_process import RuleOrder
from riskrelay.ports import Evaluated

_log = structlog.get_logger()

_AT_ONCE = 512  # guessed: inputs of one order; encoding and decoding take about a millisecond
_STOPPED = {Reason.MAPPING_TOO_SLOW: StopReason.TOO_SLOW, Reason.MAPPING_TOO_LARGE: StopReason.TOO_LARGE}
_WORDS = {
    StopReason.TOO_SLOW: "the expression takes too long",
    StopReason.TOO_LARGE: "the expression takes too much memory",
}

_decode_verdicts = msgspec.msgpack.Decoder(list[list[Verdict]]).decode
_decode_problem: Callable[[bytes], str | None] = msgspec.msgpack.Decoder(str | None).decode


class RulePool:
    """Implements ports.RuleEvaluator. Processes are started on first use and restarted when they end. Close it."""

    def __init__(self) -> None:
        self._evaluators = Evaluators("rules")
        self._turns: WeakValueDictionary[AccountId, asyncio.Lock] = WeakValueDictionary()

    async def problem(self, when: str, owner: AccountId) -> str | None:
        async with self._turn(owner):
            try:
                return _decode_problem(await self._evaluators.ask(RuleOrder([[when]], None)))
            except MappingEndedError as ended:
                stopped = _STOPPED.get(ended.reason)
                return "the expression cannot be checked now" if stopped is None else _WORDS[stopped]

    async def evaluate(
        self, groups: Sequence[Sequence[str]], inputs: Sequence[tuple[int, str]], owner: AccountId
    ) -> Evaluated:
        stopped: dict[tuple[int, int], StopReason] = {}
        verdicts: list[Sequence[Verdict]] = []
        async with self._turn(owner):
            for start in range(0, len(inputs), _AT_ONCE):
                some = inputs[start : start + _AT_ONCE]
                try:
                    verdicts += await self._ask(groups, some, stopped)
                except MappingEndedError:
                    return Evaluated([()] * len(inputs), {}, is_available=False)
        if stopped:
            _log.warning("rules_stopped", account=owner, reasons=sorted(set(stopped.values())))
            verdicts = [
                [one for one in verdict if (group, one.place) not in stopped]
                for (group, _), verdict in zip(inputs, verdicts, strict=True)
            ]
        return Evaluated(verdicts, stopped)

    def close(self) -> None:
        self._evaluators.end()

    async def _ask(
        self,
        groups: Sequence[Sequence[str]],
        inputs: Sequence[tuple[int, str]],
        stopped: dict[tuple[int, int], StopReason],
    ) -> list[list[Verdict]]:
        """Evaluate inputs. If the process ends, evaluate each rule alone, and add those that end it to *stopped*.

        Raises: MappingEndedError: no process is available.
        """
        if not stopped:
            try:
                return await self._answer([list(group) for group in groups], inputs)
            except MappingEndedError as ended:
                if ended.reason not in _STOPPED:
                    raise
        verdicts: list[list[Verdict]] = [[] for _ in inputs]
        for number, group in enumerate(groups):
            places = [place for place, (of_group, _) in enumerate(inputs) if of_group == number]
            for place, text in enumerate(group):
                if not places or (number, place) in stopped:
                    continue
                try:
                    answers = await self._answer([[text]], [(0, inputs[one][1]) for one in places])
                except MappingEndedError as ended:
                    if ended.reason not in _STOPPED:
                        raise
                    stopped[number, place] = _STOPPED[ended.reason]
                    continue
                for one, answer in zip(places, answers, strict=True):
                    verdicts[one] += [Verdict(place, verdict.used, verdict.failure) for verdict in answer]
        return verdicts

    async def _answer(self, groups: list[list[str]], inputs: Sequence[tuple[int, str]]) -> list[list[Verdict]]:
        return _decode_verdicts(await self._evaluators.ask(RuleOrder(groups, list(inputs))))

    def _turn(self, owner: AccountId) -> asyncio.Lock:
        """Return the lock that limits an account to one order at a time, so that other accounts get their turn."""
        return self._turns.setdefault(owner, asyncio.Lock())
