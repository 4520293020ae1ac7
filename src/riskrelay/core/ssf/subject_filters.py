"""The subjects that a stream carries events about: all, except those that its receiver removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from riskrelay.core.ssf.subjects import matches, subject_key

MAX_STATEMENTS = 1_000  # chosen; measured: with this number, finding the streams for an event takes 0.5 ms


@dataclass(frozen=True, slots=True)
class SubjectStatement:
    """A receiver's latest statement about one subject.

    Attributes:
        key: the subject, as `subject_key` writes it.
        is_removed: False: it was added again, although a wider subject is removed.
        position: later statements have greater positions.
    """

    key: str
    is_removed: bool
    position: int

    @property
    def subject(self) -> Mapping[str, Any]:
        """The subject."""
        read: dict[str, Any] = msgspec.json.decode(self.key)
        return read

    @property
    def is_complex(self) -> bool:
        """Whether it can match other subjects."""
        # In a value the quotes would be escaped, and a subject cannot contain a complex one.
        return '"format":"complex"' in self.key


class SubjectFilter:
    """Decides by the latest statement that matches a subject. Without one, the stream carries its events.

    Args:
        statements: at most one per subject, in any order.

    Rule: SSF 1.0 §7.1 default_subjects "ALL"; §8.1.3.1 (matching).
    """

    def __init__(self, statements: Sequence[SubjectStatement]) -> None:
        # A simple subject matches only itself, so most statements are found by their key.
        self._simple = {statement.key: statement for statement in statements if not statement.is_complex}
        self._complex = [(statement.subject, statement) for statement in statements if statement.is_complex]

    def accepts(self, subject: Mapping[str, Any]) -> bool:
        """Return whether events about *subject* are queued on the stream."""
        if not self._simple and not self._complex:
            return True  # most streams: their receivers made no statement
        matching = [statement for stated, statement in self._complex if matches(stated, subject)]
        identical = self._simple.get(subject_key(subject))
        if identical is not None:
            matching.append(identical)
        return not matching or not max(matching, key=lambda statement: statement.position).is_removed


HEARS_ALL = SubjectFilter(())
