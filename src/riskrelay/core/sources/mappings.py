"""Mapping documents: rules that convert the events of one kind of source to findings and activity.

This module validates the structure of a document. The package `mapping` compiles its expressions.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, get_args

from msgspec import Struct, json

from riskrelay.core.risk.levels import RiskLevel
from riskrelay.core.sources.reasons import IGNORED, Reason
from riskrelay.core.sources.signals import NameKind

MAX_DOCUMENT_BYTES = 65_536
MAX_RULES = 64
MAX_EXPRESSION_CHARACTERS = 4_000
MAX_PARTS = 24  # of one member: addresses of a user, pieces of evidence
_MAX_LET = 32
_MAX_WORDS = 500
_MAX_PROBLEMS = 20

_ID = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LEVELS = {level.word: level for level in RiskLevel}

Gives = Literal["finding", "login", "session_refresh", "dlp_hit"]
_GIVES: Final[Mapping[str, Gives]] = {gives: gives for gives in get_args(Gives)}

# Members of a rule that are expressions, and which forms they have: one, a list of candidates, or an object of parts.
_CANDIDATES = ("user", "full_name", "time", "id", "ip", "application", "policy", "title", "anonymous")
_PARTS: Final[Mapping[str, frozenset[str] | None]] = {
    "names": frozenset(get_args(NameKind)),
    "place": frozenset(("lat", "lon", "accuracy_km", "city", "country", "asn")),
    "evidence": None,
}
MEMBERS = (*_CANDIDATES, *_PARTS)


class Problem(Struct, frozen=True, array_like=True):
    """What is wrong with one member of a mapping document.

    Attributes:
        at: the member, such as `rules[2].when`; empty: the document.
        problem: what is wrong with it, such as "must be a text".
    """

    at: str
    problem: str

    def __str__(self) -> str:
        return f"{self.at}: {self.problem}" if self.at else self.problem


class MappingInvalidError(ValueError):
    """A document that is not a mapping. The message names every problem.

    Attributes:
        problems: at least one, in the order of the document.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class SuggestedBehavior(Struct, frozen=True, kw_only=True):
    """A behavior that the rules of a mapping name and that an account may not have yet."""

    behavior_id: str
    name: str
    description: str
    level: RiskLevel


class Expression(Struct, frozen=True, kw_only=True):
    """One expression of a rule.

    Attributes:
        member: the rule's member, such as `place`.
        part: the name in an object, the place in a list; None: it is the whole member.
        text: in the expression language.
        is_shared: whether it is in `common`, not in the rule.
    """

    member: str
    part: str | int | None
    text: str
    is_shared: bool

    @property
    def at(self) -> str:
        """Its position in the rule: `place.lat`, `user[1]`, `time`."""
        if self.part is None:
            return self.member
        return f"{self.member}[{self.part}]" if isinstance(self.part, int) else f"{self.member}.{self.part}"


class Rule(Struct, frozen=True, kw_only=True):
    """How an event is converted if a condition is true for it.

    Attributes:
        when: the condition.
        behavior: the behavior of findings; None for activity.
        expressions: the rule's own, and those of `common` that it does not replace.
    """

    when: str
    gives: Gives
    behavior: str | None
    expressions: tuple[Expression, ...]


class IgnoredEvents(Struct, frozen=True, kw_only=True):
    """A condition for events that have no meaning for risk, with the reason.

    Attributes:
        reason: one of the reasons for which events are ignored.
        because: the mapping's explanation.
    """

    when: str
    reason: Reason
    because: str


class MappingDocument(Struct, frozen=True, kw_only=True):
    """A mapping with a valid structure. Its expressions may still be invalid.

    Attributes:
        kind: the kind of the sources that use it.
        let: expressions that the others use as variables, by name, in the order of the document.
        content: the document as JSON, in its original order.
    """

    kind: str
    description: str
    behaviors: tuple[SuggestedBehavior, ...]
    let: dict[str, str]
    rules: tuple[Rule, ...]
    ignored: tuple[IgnoredEvents, ...]
    content: bytes


def read_mapping(document: object) -> MappingDocument:
    """Read a mapping from its decoded JSON or YAML.

    Args:
        document: dictionaries, lists, strings, numbers, booleans and None.

    Raises:
        MappingInvalidError: with up to 20 problems, each with its member.

    Rule: docs/guides/sources/mappings.md.
    """
    try:
        content = json.encode(document)  # in order: a variable uses the ones before it
    except (TypeError, ValueError, RecursionError):
        raise MappingInvalidError((Problem("", "must be a document of JSON values"),)) from None
    if len(content) > MAX_DOCUMENT_BYTES:
        raise MappingInvalidError((Problem("", f"must not be larger than {MAX_DOCUMENT_BYTES:,} bytes"),))
    reading = _Reading()
    mapping = reading.document(document, content)
    if reading.problems:
        raise MappingInvalidError(tuple(reading.problems[:_MAX_PROBLEMS]))
    return mapping


class _Reading:
    """Reads one document. It collects problems and continues, so that one attempt reports all of them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def document(self, document: object, content: bytes) -> MappingDocument:
        members = self._object(document, "", ("kind", "description", "behaviors", "let", "common", "rules", "ignored"))
        common = self._object(members.get("common") or {}, "common", MEMBERS)
        shared = self._expressions(common, "common")
        mapping = MappingDocument(
            kind=self._id(members.get("kind"), "kind"),
            description=self._words(members.get("description") or "", "description"),
            behaviors=tuple(self._each(members.get("behaviors"), "behaviors", self._behavior)),
            let=self._let(members.get("let") or {}),
            rules=tuple(self._each(members.get("rules"), "rules", lambda rule, at: self._rule(rule, at, shared))),
            ignored=tuple(self._each(members.get("ignored"), "ignored", self._ignored)),
            content=content,
        )
        if not self.problems and not mapping.rules:
            self._note("rules", "must have at least one rule")
        return mapping

    def _note(self, at: str, problem: str) -> None:
        self.problems.append(Problem(at, problem))

    def _object(self, value: object, at: str, known: tuple[str, ...]) -> dict[str, Any]:
        """Return an object without its unknown members; an empty one if the value is not an object."""
        if not isinstance(value, dict):
            self._note(at, "must be an object")
            return {}
        for name in value:
            if name not in known:
                self._note(f"{at}.{name}".lstrip("."), f"is not known here; known are {', '.join(known)}")
        return {name: member for name, member in value.items() if name in known}

    def _each(self, value: object, at: str, read: Callable[[object, str], Any]) -> Iterator[Any]:
        if value is None:
            return
        if not isinstance(value, list):
            self._note(at, "must be a list")
            return
        if len(value) > MAX_RULES:
            self._note(at, f"must not have more than {MAX_RULES} entries")
            return
        for place, entry in enumerate(value):
            yield read(entry, f"{at}[{place}]")

    def _id(self, value: object, at: str) -> str:
        if isinstance(value, str) and _ID.fullmatch(value):
            return value
        self._note(at, "must be an id of lower-case letters, digits and _, such as my_source")
        return ""

    def _words(self, value: object, at: str) -> str:
        if isinstance(value, str) and len(value) <= _MAX_WORDS and value.isprintable():
            return value
        self._note(at, f"must be one line of text of at most {_MAX_WORDS} characters")
        return ""

    def _expression(self, value: object, at: str) -> str:
        if isinstance(value, str) and value.strip() and len(value) <= MAX_EXPRESSION_CHARACTERS:
            return value
        if isinstance(value, str):
            self._note(at, f"must be an expression of 1 to {MAX_EXPRESSION_CHARACTERS:,} characters")
        else:
            self._note(at, "must be an expression, written as a text")
        return ""

    def _behavior(self, value: object, at: str) -> SuggestedBehavior:
        members = self._object(value, at, ("id", "name", "description", "level"))
        level = members.get("level")
        if not isinstance(level, str) or level not in _LEVELS:
            self._note(f"{at}.level", f"must be one of {', '.join(_LEVELS)}")
        return SuggestedBehavior(
            behavior_id=self._id(members.get("id"), f"{at}.id"),
            name=self._words(members.get("name"), f"{at}.name"),
            description=self._words(members.get("description"), f"{at}.description"),
            level=_LEVELS.get(level, RiskLevel.LOW) if isinstance(level, str) else RiskLevel.LOW,
        )

    def _let(self, value: object) -> dict[str, str]:
        if not isinstance(value, dict) or len(value) > _MAX_LET:
            self._note("let", f"must be an object of at most {_MAX_LET} expressions")
            return {}
        for name in value:
            if not isinstance(name, str) or _ID.fullmatch(name) is None:
                self._note(f"let.{name}", "must have a name of lower-case letters, digits and _")
        return {str(name): self._expression(text, f"let.{name}") for name, text in value.items()}

    def _rule(self, value: object, at: str, shared: tuple[Expression, ...]) -> Rule:
        members = self._object(value, at, ("when", "gives", "behavior", *MEMBERS))
        gives, behavior = members.get("gives"), members.get("behavior")
        if not isinstance(gives, str) or gives not in _GIVES:
            self._note(f"{at}.gives", f"must be one of {', '.join(_GIVES)}")
        elif gives == "finding":
            behavior = self._id(behavior, f"{at}.behavior")
        elif behavior is not None:
            self._note(f"{at}.behavior", "belongs to rules that give a finding")
        own = self._expressions(members, at)
        replaced = {expression.member for expression in own}
        expressions = own + tuple(each for each in shared if each.member not in replaced)
        for name in ("user", "names"), ("time",):
            if not any(expression.member in name for expression in expressions):
                self._note(f"{at}.{name[0]}", "is required, here or in common")
        return Rule(
            when=self._expression(members.get("when"), f"{at}.when"),
            gives=_GIVES.get(gives, "finding") if isinstance(gives, str) else "finding",
            behavior=behavior if isinstance(behavior, str) else None,
            expressions=expressions,
        )

    def _expressions(self, members: Mapping[str, object], at: str) -> tuple[Expression, ...]:
        """Return the expressions among the members of a rule or of `common`."""
        found: list[Expression] = []
        for member in MEMBERS:
            value = members.get(member)
            if value is None:
                continue
            is_object = isinstance(value, dict) and member in _PARTS
            parts: list[tuple[str | int | None, object]]
            if is_object and isinstance(value, dict):
                parts = list(value.items())
                self._check_parts(member, parts, f"{at}.{member}")
            elif isinstance(value, list) and member in _CANDIDATES:
                parts = list(enumerate(value))
            else:
                parts = [(None, value)]
            if not 0 < len(parts) <= MAX_PARTS:
                self._note(f"{at}.{member}", f"must have 1 to {MAX_PARTS} expressions")
                continue
            for part, text in parts:
                expression = Expression(member=member, part=part, text=str(text), is_shared=at == "common")
                self._expression(text, f"{at}.{expression.at}")
                found.append(expression)
        return tuple(found)

    def _check_parts(self, member: str, parts: list[tuple[str | int | None, object]], at: str) -> None:
        known = _PARTS[member]
        for name, _ in parts:
            if known is not None and name not in known:
                self._note(f"{at}.{name}", f"is not known here; known are {', '.join(sorted(known))}")
            if not isinstance(name, str) or _ID.fullmatch(name) is None:
                self._note(f"{at}.{name}", "must have a name of lower-case letters, digits and _")

    def _ignored(self, value: object, at: str) -> IgnoredEvents:
        members = self._object(value, at, ("when", "reason", "because"))
        reason = members.get("reason", Reason.NOT_A_SIGNAL.value)
        if not isinstance(reason, str) or reason not in IGNORED:
            self._note(f"{at}.reason", f"must be one of {', '.join(sorted(IGNORED))}")
        return IgnoredEvents(
            when=self._expression(members.get("when"), f"{at}.when"),
            reason=Reason(reason) if isinstance(reason, str) and reason in IGNORED else Reason.NOT_A_SIGNAL,
            because=self._words(members.get("because"), f"{at}.because"),
        )
