"""Compiled expressions of rules: all of a group in one, and each alone if that fails."""

from collections.abc import Sequence
from typing import Any

from msgspec import DecodeError, json

from riskrelay.core.risk.rule_inputs import Verdict
from riskrelay.mapping.expressions import EvaluationError, Program, SyntaxProblemError

_MAX_USED = 10  # named by a level change; more would only make the answer large
_WRONG_RESULT = "the expression gives neither true or false nor findings"
_SAMPLE = '{"findings":[]}'


class RulePrograms:
    """The expressions of rules that get the same inputs."""

    def __init__(self, expressions: Sequence[str]) -> None:
        """Compile expressions. Those that do not compile fail for each input."""
        self._alone: list[Program | str] = [_compiled(text) for text in expressions]
        usable = [place for place, one in enumerate(self._alone) if isinstance(one, Program)]
        self._broken = [Verdict(place, (), one) for place, one in enumerate(self._alone) if isinstance(one, str)]
        members = ",".join(f'"{place}":({expressions[place]}\n)' for place in usable)
        self._whole = Program("{" + members + "}", is_timed=False)

    def evaluate(self, text: str) -> list[Verdict]:
        """Evaluate the expressions over one input.

        Returns: the expressions that hold or failed, in their order.
        """
        try:
            results = self._whole.evaluate(text)
            found = {} if results is None else json.decode(results)
        except (EvaluationError, DecodeError):
            return self._each(text)
        said = [_verdict(int(place), result) for place, result in found.items() if result is not False]
        verdicts = [one for one in said if one is not None] + self._broken
        return sorted(verdicts, key=lambda one: one.place) if len(verdicts) > 1 else verdicts

    def _each(self, text: str) -> list[Verdict]:
        """Evaluate each expression alone, because one of them failed."""
        verdicts: list[Verdict] = []
        for place, program in enumerate(self._alone):
            if isinstance(program, str):
                verdicts.append(Verdict(place, (), program))
                continue
            try:
                result = program.evaluate(text)
                verdict = None if result is None else _verdict(place, json.decode(result))
            except EvaluationError as error:
                verdict = Verdict(place, (), str(error))
            except DecodeError:
                verdict = Verdict(place, (), "the result is not valid JSON")
            if verdict is not None:
                verdicts.append(verdict)
        return verdicts


def rule_problem(when: str) -> str | None:
    """Return why a text cannot be the expression of a rule; None: it can.

    A call of an unknown function is found only if the expression reaches it without findings.
    """
    try:
        Program("{" + f'"0":({when}\n)' + "}")
        result = Program(when).evaluate(_SAMPLE)
        verdict = None if result is None else _verdict(0, json.decode(result))
    except SyntaxProblemError as error:
        return str(error)
    except EvaluationError as error:
        return str(error) if error.is_no_function or error.is_too_slow else None
    except DecodeError:
        return _WRONG_RESULT
    return None if verdict is None else verdict.failure


def _compiled(text: str) -> Program | str:
    try:
        return Program(text, is_timed=False)
    except SyntaxProblemError as error:
        return str(error)


def _verdict(place: int, result: Any) -> Verdict | None:
    """Return what a result of an expression says; None: the rule does not hold."""
    if result is True:
        return Verdict(place)
    if result is False or result is None or result == []:
        return None
    used: list[int] = []
    for one in result if isinstance(result, list) else [result]:
        number = one.get("n") if isinstance(one, dict) else None
        if not isinstance(number, int):
            return Verdict(place, (), _WRONG_RESULT)
        used.append(number)
    return Verdict(place, tuple(sorted(set(used)))[-_MAX_USED:])
