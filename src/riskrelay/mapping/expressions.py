"""The expression language: JSONata, by jsonatapy. Nothing else imports that library."""

import re

import jsonatapy

# Chosen: a document's longest chain (64 rules and 64 ignored) nests 130 deep, and no event needs a list this long.
_MAX_DEPTH = 300
_MAX_SEQUENCE = 10_000
_TIMEOUT_MS = 1_000  # wall time

_CODE = re.compile(r"([A-Z]\d{4}):")
_TIMEOUT, _DEPTH, _NOT_A_FUNCTION = "D1012", "D1011", "T1006"
_WORDS = {
    _TIMEOUT: "the expression takes too long",
    _DEPTH: "the expression nests or calls itself too deeply",
    "D2014": "a range has too many numbers",
    "D2015": f"a list has more than {_MAX_SEQUENCE:,} entries",
    "D3030": "a value cannot be converted to a number",
    "T0410": "a function's argument has the wrong type",
    "T0411": "a function's argument has the wrong type",
    "T0412": "a function's argument is a list with entries of the wrong type",
    _NOT_A_FUNCTION: "there is no such function",
    "T2001": "the left side of an arithmetic operator is not a number",
    "T2002": "the right side of an arithmetic operator is not a number",
    "T2009": "the two sides of a comparison have different types",
    "T2010": "a comparison needs numbers or texts",
}
# A mapping reads only the event, so equal events give equal results at any time.
_WITHHELD = ("now", "millis", "random", "shuffle", "eval")


class SyntaxProblemError(ValueError):
    """A text that is not an expression. The message says why."""


class EvaluationError(Exception):
    """An expression failed for an event. The message contains no value of the event.

    Attributes:
        is_too_slow: whether it was stopped after the time limit.
        is_no_function: whether it calls a function that does not exist.
    """

    def __init__(self, message: str) -> None:
        found = _CODE.search(message)
        code = found[1] if found else ""
        super().__init__(f"{_WORDS.get(code, 'the expression failed')} ({code})" if code else "the expression failed")
        self.is_too_slow = code == _TIMEOUT
        self.is_no_function = code == _NOT_A_FUNCTION


def _withheld(*_: object) -> None:
    raise ValueError(f"{_NOT_A_FUNCTION}: not available to mappings")


class Program:
    """A compiled expression."""

    def __init__(self, text: str, *, is_timed: bool = True) -> None:
        """Compile *text*.

        Args:
            is_timed: whether an evaluation ends after a second. Reading the clock takes an eighth of an evaluation, so
                a process whose processor time is limited does without it.

        Raises: SyntaxProblemError.
        """
        timeout = _TIMEOUT_MS if is_timed else None
        try:
            compiled = jsonatapy.compile(
                text, timeout=timeout, max_stack_depth=_MAX_DEPTH, max_sequence_length=_MAX_SEQUENCE
            )
        except ValueError as error:
            raise SyntaxProblemError(_syntax_words(str(error))) from None
        # Each registered function costs time at every evaluation. A function can be called by its own name only.
        for name in _WITHHELD:
            if f"${name}" in text:
                compiled.register_override(name, _withheld)
        self._evaluate = compiled.evaluate_json_or_none

    def evaluate(self, event: str) -> str | None:
        """Evaluate the expression over JSON.

        Returns: JSON; None: the expression gave nothing.
        Raises: EvaluationError.
        """
        try:
            return self._evaluate(event)
        except (ValueError, RuntimeError) as error:
            raise EvaluationError(str(error)) from None


def _syntax_words(message: str) -> str:
    words = message.removeprefix("Parse error: ").removeprefix("Invalid syntax: ").splitlines()[0][:200]
    return f"is not JSONata: {words}"
