"""A mapping document, compiled: one expression for all of it, and one for each part when that one fails."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import groupby
from typing import Any

from msgspec import DecodeError, json

from riskrelay.core.sources.mappings import Expression, IgnoredEvents, MappingDocument, Problem, Rule
from riskrelay.core.sources.reading import Row, read_row
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Ignored, Mapped, Refused
from riskrelay.mapping.expressions import EvaluationError, Program, SyntaxProblemError

# Members without which a signal is still true: when their expression fails they count as absent.
_OPTIONAL = frozenset(("place", "application", "policy", "title", "evidence"))


class _Found(Row, kw_only=True):
    """What the whole document gave: the members of the rule that applies, and its place or that of what ignores it."""

    rule: int = -1
    ignored: int = -1


_decode: Callable[[str], _Found | None] = json.Decoder(_Found | None).decode


class CompiledMapping:
    """A document whose expressions all compile."""

    def __init__(self, document: MappingDocument) -> None:
        """Compile a document.

        Raises: SyntaxProblemError: `check_expressions` says which expressions are wrong.
        """
        self._document = document
        self._whole = Program(_whole(document))

    def map(self, event: bytes) -> Mapped:
        """Map one event.

        Args:
            event: from `encode_event`.
        """
        try:
            return self._read(self._whole.evaluate(event.decode()), event)
        except EvaluationError as error:
            if error.is_too_slow:
                return Refused(reason=Reason.MAPPING_TOO_SLOW, detail=str(error))
        # Members that are null fail where absent ones do not, so they are left out for a second attempt.
        bare = json.encode(without_nulls(json.decode(event))).decode()
        try:
            return self._read(self._whole.evaluate(bare), event)
        except EvaluationError as error:
            if error.is_too_slow:
                return Refused(reason=Reason.MAPPING_TOO_SLOW, detail=str(error))
        return self._parts.map(bare, event)

    @cached_property
    def _parts(self) -> "_Parts":
        return _Parts(self._document)

    def _read(self, result: str | None, event: bytes) -> Mapped:
        try:
            found = None if result is None else _decode(result)
        except DecodeError:  # a lone surrogate, or a number beyond what JSON parsers take
            return Refused(reason=Reason.EXPRESSION_FAILED, detail="the result is not valid JSON")
        if found is None:
            return Ignored(reason=Reason.NOT_MAPPED)
        if found.rule < 0:
            return _ignored(self._document.ignored[found.ignored])
        return read_row(found, self._document.rules[found.rule], event, f"rules[{found.rule}]")


class _Parts:
    """Every expression of a document on its own: slower, and it tells which one failed."""

    def __init__(self, document: MappingDocument) -> None:
        self._document = document
        self._programs: dict[str, Program] = {}

    def map(self, text: str, event: bytes) -> Mapped:
        """Map one event for which the whole document failed."""
        let, failed = self._usable_let(text)
        conditions: list[tuple[str, Rule | IgnoredEvents]] = [
            (f"rules[{place}]", rule) for place, rule in enumerate(self._document.rules)
        ]
        conditions += [(f"ignored[{place}]", ignored) for place, ignored in enumerate(self._document.ignored)]
        for at, entry in conditions:
            try:
                applies = self._value(f"(({entry.when}) ? true : false)", let, text)
            except EvaluationError as error:
                failed = failed or _failed(f"{at}.when", error)
                continue
            if applies:
                if isinstance(entry, IgnoredEvents):
                    return _ignored(entry)
                row = self._row(at, entry, let, text)
                return row if isinstance(row, Refused) else read_row(row, entry, event, at)
        return failed or Ignored(reason=Reason.NOT_MAPPED)

    def _row(self, at: str, rule: Rule, let: Mapping[str, str], text: str) -> Row | Refused:
        row = Row()
        for member, expressions in _by_member(rule.expressions):
            try:
                setattr(row, member, self._value(_member_text(expressions), let, text))
            except EvaluationError as error:
                if member not in _OPTIONAL:
                    return _failed(f"{at}.{member}", error)
        return row

    def _usable_let(self, text: str) -> tuple[dict[str, str], Refused | None]:
        """Return the variables that can be computed for this event, and the first that cannot."""
        usable: dict[str, str] = {}
        failed: Refused | None = None
        for name, expression in self._document.let.items():
            try:
                self._evaluate(f"($exists(({expression})))", usable, text)
            except EvaluationError as error:
                failed = failed or _failed(f"let.{name}", error)
            else:
                usable[name] = expression
        return usable, failed

    def _value(self, expression: str, let: Mapping[str, str], text: str) -> Any:
        result = self._evaluate(expression, let, text)
        try:
            return None if result is None else json.decode(result)
        except DecodeError:
            raise EvaluationError("the result is not valid JSON") from None

    def _evaluate(self, expression: str, let: Mapping[str, str], text: str) -> str | None:
        source = _with_let(let, expression)
        program = self._programs.get(source)
        if program is None:
            if len(self._programs) > 1_000:  # of one document; which variables fail differs from event to event
                self._programs.clear()
            program = self._programs[source] = Program(source)
        return program.evaluate(text)


def check_expressions(document: MappingDocument) -> tuple[Problem, ...]:
    """Return what is wrong with a document's expressions, in the order of the document.

    An expression that calls an unknown function is found where an empty event reaches the call.
    """
    found: list[Problem] = []
    let: dict[str, str] = {}
    for at, expression in _expressions(document):
        try:
            Program(expression)
            Program(_with_let(let, expression)).evaluate("{}")
        except SyntaxProblemError as error:
            found.append(Problem(at, str(error)))
        except EvaluationError as error:
            if error.is_no_function or error.is_too_slow:
                found.append(Problem(at, str(error)))
        else:
            if at.startswith("let."):
                let[at.removeprefix("let.")] = expression
    if not found:
        try:
            Program(_whole(document))
        except SyntaxProblemError as error:
            found.append(Problem("", str(error)))
    return tuple(found)


def without_nulls(value: Any) -> Any:
    """Return JSON without its members and entries that are null."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(entry) for entry in value if entry is not None] if isinstance(value, list) else value


def _expressions(document: MappingDocument) -> Iterable[tuple[str, str]]:
    for name, text in document.let.items():
        yield f"let.{name}", text
    for place, rule in enumerate(document.rules):
        yield f"rules[{place}].when", rule.when
        for expression in rule.expressions:
            at = "common" if expression.is_shared else f"rules[{place}]"
            if not expression.is_shared or place == 0:
                yield f"{at}.{expression.at}", expression.text
    for place, ignored in enumerate(document.ignored):
        yield f"ignored[{place}].when", ignored.when


def _whole(document: MappingDocument) -> str:
    """Return one expression for a document: the first condition that is true gives its rule's members."""
    cases = [
        f'({rule.when}) ? {{"rule":{place},{_members_text(rule)}}} : ' for place, rule in enumerate(document.rules)
    ]
    cases += [f'({ignored.when}) ? {{"ignored":{place}}} : ' for place, ignored in enumerate(document.ignored)]
    return _with_let(document.let, "".join(cases) + "null")


def _with_let(let: Mapping[str, str], expression: str) -> str:
    variables = "".join(f"${name} := ({text}\n);" for name, text in let.items())
    return f"({variables} {expression})"


def _members_text(rule: Rule) -> str:
    return ",".join(f'"{member}":{_member_text(expressions)}' for member, expressions in _by_member(rule.expressions))


def _member_text(expressions: Iterable[Expression]) -> str:
    """Return the expression for one member: of its only part, of a list of candidates, or of an object."""
    parts = list(expressions)
    if parts[0].part is None:
        return f"({parts[0].text}\n)"
    if isinstance(parts[0].part, int):
        return "[" + ",".join(f"({each.text}\n)" for each in parts) + "]"
    return "{" + ",".join(f'"{each.part}":({each.text}\n)' for each in parts) + "}"


def _by_member(expressions: Iterable[Expression]) -> Iterable[tuple[str, Iterable[Expression]]]:
    return groupby(expressions, key=lambda expression: expression.member)


def _ignored(entry: IgnoredEvents) -> Ignored:
    return Ignored(reason=entry.reason, detail=entry.because)


def _failed(at: str, error: EvaluationError) -> Refused:
    return Refused(reason=Reason.EXPRESSION_FAILED, pointer=at, detail=str(error))
