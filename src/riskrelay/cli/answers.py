"""Read the responses of the service: the envelope, missing members, and notes."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from riskrelay.cli.output import errors, fail, say

_MAX_KINDS = 10  # chosen: what a person reads
_MAX_COUNTED = 1_000  # guessed: kinds that are told apart, so that a long import stays small
_PLACE = re.compile(r"^(?:(?P<member>.*?) of )?item \d+: ")  # as core.errors.member_name writes it


class Answer(dict[str, Any]):
    """An object in a response of the service. Reading a missing member ends the command with an error message."""

    def __missing__(self, name: str) -> Any:
        fail(
            f"the response of the service has no member {name!r}, which this command requires",
            "The command and the service may have different versions: compare `riskrelay --version` on both machines.",
        )


def envelope_of(answer: bytes) -> Answer | None:
    """Read the envelope of the account API; None: it is none. Rule: contract 1 to 3."""
    try:
        envelope = json.loads(answer, object_hook=Answer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(envelope, Answer) or not isinstance(envelope.get("success"), bool):
        return None
    return envelope if not envelope["success"] or "result" in envelope else None


def errors_of(answer: bytes) -> list[dict[str, Any]]:
    """Return the errors of an envelope; empty when *answer* is none."""
    envelope = envelope_of(answer)
    found = None if envelope is None else envelope.get("errors")
    return [error for error in found if isinstance(error, Answer)] if isinstance(found, list) else []


class ServiceNotes:
    """The notes in the answers that a command got. Each kind is printed once, with how many times it came: a file of
    findings with one misspelled member in each line brings the same note a hundred times a batch."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._uncounted = 0

    def add(self, messages: object) -> None:
        """Count the notes of one answer.

        Args:
            messages: the member `messages`, whatever it is.
        """
        for message in messages if isinstance(messages, list) else ():
            note = message.get("message") if isinstance(message, dict) else message
            kind = _PLACE.sub(_member_alone, str(note), count=1)
            if kind in self._counts or len(self._counts) < _MAX_COUNTED:
                self._counts[kind] += 1
            else:
                self._uncounted += 1

    def show(self) -> None:
        """Print the most frequent kinds to standard error, and start again without them."""
        kinds = self._counts.most_common()
        for kind, count in kinds[:_MAX_KINDS]:
            times = f" ({count:,} times)" if count > 1 else ""
            say("[yellow]note:[/] {}{}", kind, times, to=errors)
        hidden = _total(kinds[_MAX_KINDS:]) + self._uncounted
        if hidden:
            say("[yellow]note:[/] {:,} more notes", hidden, to=errors)
        self._counts.clear()
        self._uncounted = 0


def _member_alone(place: re.Match[str]) -> str:
    """The name of a member without the item that it was in."""
    return f"{place['member']}: " if place["member"] else ""


def _total(kinds: Iterable[tuple[str, int]]) -> int:
    return sum(count for _, count in kinds)
