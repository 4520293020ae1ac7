"""Notes in a successful response on ignored members, which are unknown."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from riskrelay.core.errors import MAX_FAULTS, MAX_NAME_CHARACTERS, cut, pointer

MAX_NOTES = MAX_FAULTS

# Names of other products for members of this API that are not similar in spelling.
_SYNONYMS = {
    "occurred_at": "timestamp",
    "observed_at": "timestamp",
    "created_at": "timestamp",
    "event_time": "timestamp",
    "time": "timestamp",
    "date": "timestamp",
    "mail": "email",
    "email_addr": "email",
    "username": "name",
    "display_name": "name",
    "uid": "id",
    "finding_id": "id",
    "evidence": "details",
    "event_details": "details",
    "lat": "latitude",
    "long": "longitude",
    "app": "application",
}


@dataclass(frozen=True, slots=True)
class Note:
    """One note on an accepted request: a place (RFC 6901 pointer into the body), and the change."""

    pointer: str
    message: str


class Notes:
    """The notes on one request: the first MAX_NOTES are kept, the others counted."""

    def __init__(self) -> None:
        self.kept: list[Note] = []
        self.more = 0

    def add_unknown(self, model: type[BaseModel], given: Any, place: tuple[str | int, ...]) -> None:
        """Note the members of *given*, and of its nested objects, that *model* does not have.

        Args:
            given: the object from which the model was read.
            place: its place in the body.
        """
        if not isinstance(given, dict):
            return
        for name, value in given.items():
            field = model.model_fields.get(name)
            if field is None:
                self._add_one(name, model.model_fields, (*place, name))
            elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                self.add_unknown(field.annotation, value, (*place, name))

    def _add_one(self, name: str, known: Collection[str], place: tuple[str | int, ...]) -> None:
        if len(self.kept) >= MAX_NOTES:
            self.more += 1
            return
        meant = closest(name, known)
        advice = f"did you mean {meant}?" if meant else f"known members are {', '.join(known)}"
        self.kept.append(Note(pointer(place), f"is an unknown member and was ignored; {advice}"))


def closest(name: str, known: Collection[str], synonyms: Mapping[str, str] = _SYNONYMS) -> str | None:
    """Return the known name that *name* was probably meant to be; None: none is near.

    >>> closest("detail", ["behavior", "details"]), closest("occured_at", ["timestamp"]), closest("x", ["id"])
    ('details', 'timestamp', None)
    """
    candidates = {one: one for one in known} | {other: one for other, one in synonyms.items() if one in known}
    found = get_close_matches(cut(name, MAX_NAME_CHARACTERS).lower(), candidates, n=1)
    return candidates[found[0]] if found else None
