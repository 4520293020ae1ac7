"""A compiled mapping document: one expression for all of it, and one for each part, used if that one fails."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property, partial
from itertools import groupby
from typing import Any

from msgspec import DecodeError, json

from riskrelay.core.sources.mappings import Expression, IgnoredEvents, MappingDocument, Problem, Rule
from riskrelay.core.sources.reading import Row, is_complete, read_row
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Ignored, Mapped, Refused
from riskrelay.mapping.expressions import EvaluationError, Program, SyntaxProblemError

_ONLY_OF_ACTIVITY = frozenset(("place", "anonymous", "policy"))
_ONLY_OF_FINDINGS = frozenset(("title",))
# Optional members: if their expression fails, they count as absent.
_OPTIONAL = frozenset(("full_name", "place", "application", "policy", "title", "evidence"))


class _Found(Row, kw_only=True):
    """The result of the whole document: the members and position of the matching rule, or that of an `ignore` entry."""

    rule: int = -1
    ignored: int = -1


_decode: Callable[[str], _Found | None] = json.Decoder(_Found | None).decode
_decode_row: Callable[[str], Row] = json.Decoder(Row).decode
_PATH = re.compile(r"\$?(?!(?:and|or|in)\b)\w+(?:\.\w+)*", re.ASCII)
_VARIABLE = re.compile(r"\$([a-z][a-z0-9_]*)")


class CompiledMapping:
    """A document whose expressions all compile."""

    def __init__(self, document: MappingDocument, *, is_timed: bool = True) -> None:
        """Compile a document.

        Args:
            is_timed: whether each evaluation is limited to a second.

        Raises: SyntaxProblemError: `check_expressions` says which expressions are wrong.
        """
        self._document = document
        self._compile = partial(Program, is_timed=is_timed)
        self._whole = self._compile(_whole(document))
        self._rules = [(rule, f"rules[{place}]") for place, rule in enumerate(document.rules)]
        self._rows: dict[int, Program] = {}

    def map(self, event: bytes) -> Mapped:
        """Map one event from `encode_event`."""
        return self.map_all([event])[0]

    def map_all(self, events: Sequence[bytes]) -> list[Mapped]:
        """Map events.

        Args:
            events: each from `encode_event`.
        """
        # Evaluating all events before reading any keeps the code in the processor's caches: a third less time.
        results = [self._evaluated(event) for event in events]
        return [
            self._retried(event, result) if isinstance(result, EvaluationError) else self._read(result, event)
            for event, result in zip(events, results, strict=True)
        ]

    def _evaluated(self, event: bytes) -> str | EvaluationError | None:
        try:
            return self._whole.evaluate(event.decode())
        except EvaluationError as error:
            return error

    def _retried(self, event: bytes, error: EvaluationError) -> Mapped:
        """Map an event for which the whole document failed."""
        if error.is_too_slow:
            return Refused(reason=Reason.MAPPING_TOO_SLOW, detail=str(error))
        # A null member can fail where an absent one does not, so a second attempt leaves null members out.
        bare = json.encode(without_nulls(json.decode(event)))
        result = self._evaluated(bare)
        if isinstance(result, EvaluationError):
            return self._parts.map(bare.decode(), event)
        return self._read(result, event)

    @cached_property
    def _parts(self) -> "_Parts":
        return _Parts(self._document, self._compile)

    def _read(self, result: str | None, event: bytes) -> Mapped:
        try:
            found = None if result is None else _decode(result)
        except DecodeError:  # a lone surrogate, or a number beyond what JSON parsers take
            return Refused(reason=Reason.EXPRESSION_FAILED, detail="the result is not valid JSON")
        if found is None:
            return Ignored(reason=Reason.NOT_MAPPED)
        if found.rule < 0:
            return _ignored(self._document.ignored[found.ignored])
        rule, at = self._rules[found.rule]
        mapped = read_row(found, rule, event, at)
        return mapped if is_complete(mapped, found) else self._read_all(found.rule, event)

    def _read_all(self, place: int, event: bytes) -> Mapped:
        """Read an event by all candidates of its rule's members."""
        rule, at = self._rules[place]
        try:
            result = self._row(place).evaluate(event.decode())
            return read_row(Row() if result is None else _decode_row(result), rule, event, at)
        except (EvaluationError, DecodeError):
            return self._parts.map(json.encode(without_nulls(json.decode(event))).decode(), event)

    def _row(self, place: int) -> Program:
        """Return the expression for all members of a rule."""
        if place not in self._rows:
            members = _row_text(self._document.rules[place], is_brief=False)
            self._rows[place] = self._compile(_with_let(_needed(self._document.let, members, set()), members))
        return self._rows[place]


class _Parts:
    """Each expression of a document compiled alone. This is slower, and shows which one failed."""

    def __init__(self, document: MappingDocument, compile_text: Callable[[str], Program]) -> None:
        self._document = document
        self._compile = compile_text
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
        for member, expressions in _used_members(rule):
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
            if len(self._programs) > 1_000:  # per document; the failing variables differ from event to event
                self._programs.clear()
            program = self._programs[source] = self._compile(source)
        return program.evaluate(text)


def check_expressions(document: MappingDocument) -> tuple[Problem, ...]:
    """Return the problems of a document's expressions, in the order of the document.

    A call of an unknown function is found only if the expression reaches it with an empty event.
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
    """Return JSON without members and array entries that are null."""
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
    """Return one expression for a document. The rule of the first true condition supplies the members.

    A variable is computed where it is first needed, because one of the first conditions decides most events. The first
    candidate with a result is used, and names are omitted. `CompiledMapping` evaluates all members if these are not
    sufficient.
    """
    cases: list[tuple[dict[str, str], str, str]] = []
    known: set[str] = set()
    for place, rule in enumerate(document.rules):
        before = _needed(document.let, rule.when, known)
        known |= before.keys()
        members = _row_text(rule, f'"rule":{place}', is_brief=True)
        cases.append((before, rule.when, _with_let(_needed(document.let, members, known), members)))
    for place, ignored in enumerate(document.ignored):
        before = _needed(document.let, ignored.when, known)
        known |= before.keys()
        cases.append((before, ignored.when, f'{{"ignored":{place}}}'))
    text = "null"
    for before, when, then in reversed(cases):
        condition = f"({when}\n)" if "?" in when else _apart(when)
        text = _with_let(before, f"{condition} ? {then} : {text}")
    return text


def _needed(let: dict[str, str], text: str, known: AbstractSet[str]) -> dict[str, str]:
    """Return the variables that a text uses, directly or through others, in order, without *known* ones."""
    names = set(_VARIABLE.findall(text))
    for name in reversed(let):
        if name in names:
            names.update(_VARIABLE.findall(let[name]))
    return {name: expression for name, expression in let.items() if name in names - known}


def _with_let(let: Mapping[str, str], expression: str) -> str:
    if not let:
        return expression
    variables = "".join(f"${name} := {_apart(text)};" for name, text in let.items())
    return f"({variables} {expression})"


def _apart(text: str) -> str:
    """Return an expression as a part of a larger one that ends it by a comma, a semicolon or a bracket.

    Brackets around it cost a scope for each event, so only one that assigns variables gets them.
    """
    if ":=" in text:
        return f"({text}\n)"
    paths = text.split(" ?: ")
    return _first_of(paths) if len(paths) > 2 and all(map(_PATH.fullmatch, paths)) else text


def _row_text(rule: Rule, *first: str, is_brief: bool) -> str:
    """Return the expression for the members of a rule, as an object.

    Args:
        first: members in front of them.
    """
    members = [
        f'"{member}":{_member_text(expressions, is_brief=is_brief)}'
        for member, expressions in _used_members(rule)
        if not (is_brief and member == "names")
    ]
    return "{" + ",".join((*first, *members)) + "}"


def _member_text(expressions: Iterable[Expression], *, is_brief: bool = False) -> str:
    """Return the expression for one member: of its only part, of a list of candidates, or of an object.

    Args:
        is_brief: for a list, use the first candidate that has a result.
    """
    parts = list(expressions)
    if parts[0].part is None:
        return _apart(parts[0].text)
    if isinstance(parts[0].part, int):
        texts = [each.text if _PATH.fullmatch(each.text) else f"({each.text}\n)" for each in parts]
        # An address is anonymous if any candidate says so, not only the first.
        is_brief = is_brief and parts[0].member != "anonymous"
        return _first_of(texts) if is_brief else f"[{','.join(texts)}]"
    return "{" + ",".join(f'"{each.part}":{_apart(each.text)}' for each in parts) + "}"


def _first_of(texts: Sequence[str]) -> str:
    """Return the expression for the first candidate that gives anything.

    The chain is evaluated from its end to its begin, so the others stand in brackets: nearly always the first suffices.
    """
    first, *others = texts
    return f"{first} ?: ({' ?: '.join(others)})" if others else first


def _used_members(rule: Rule) -> Iterator[tuple[str, Iterable[Expression]]]:
    """Yield the members of a rule, without those of `common` that its signal does not have."""
    for member, expressions in groupby(rule.expressions, key=lambda expression: expression.member):
        if member not in (_ONLY_OF_ACTIVITY if rule.gives == "finding" else _ONLY_OF_FINDINGS):
            yield member, expressions


def _ignored(entry: IgnoredEvents) -> Ignored:
    return Ignored(reason=entry.reason, detail=entry.because)


def _failed(at: str, error: EvaluationError) -> Refused:
    return Refused(reason=Reason.EXPRESSION_FAILED, pointer=at, detail=str(error))
