"""About whom a stream carries events: about everybody, except where its receiver said otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from riskrelay.ssf.subjects import COMPLEX, matches, subject_key

MAX_STATEMENTS = 10_000  # guessed: subjects one receiver may have removed from one stream


@dataclass(frozen=True, slots=True)
class SubjectStatement:
    """What a receiver said about one subject last.

    Attributes:
        is_removed: False: it was added again, out of a wider subject that is removed.
        position: later statements have greater ones.
    """

    subject: Mapping[str, Any]
    is_removed: bool
    position: int


class SubjectFilter:
    """Decides by the last statement that matches; a subject about which nothing was said is heard.

    Args:
        statements: at most one per subject, in any order.

    Rule: SSF 1.0 §7.1 default_subjects "ALL"; §8.1.3.1 (matching).
    """

    def __init__(self, statements: Sequence[SubjectStatement]) -> None:
        # A simple subject matches only itself, so most statements are found by their key.
        self._simple = {subject_key(s.subject): s for s in statements if s.subject["format"] != COMPLEX}
        self._complex = [s for s in statements if s.subject["format"] == COMPLEX]

    def hears(self, subject: Mapping[str, Any]) -> bool:
        """Whether events about *subject* go onto the stream."""
        if not self._simple and not self._complex:
            return True
        matching = [s for s in self._complex if matches(s.subject, subject)]
        identical = self._simple.get(subject_key(subject))
        if identical is not None:
            matching.append(identical)
        return not matching or not max(matching, key=lambda s: s.position).is_removed


HEARS_ALL = SubjectFilter(())
