"""The common members of events that report a level change."""

from typing import Any

from riskrelay.core.risk.assessment import LevelChange

_RESET = "Risk reset by an administrator"


def change_members(change: LevelChange) -> dict[str, Any]:
    """Return the members that CAEP's events and the products' own share. Rule: CAEP 1.0 §2."""
    return {
        "event_timestamp": int(change.changed_at.timestamp()),
        "initiating_entity": change.cause.value,
        "reason_admin": {"en": change.reason or _reset(change.note)},
    }


def _reset(note: str | None) -> str:
    return _RESET if note is None else f"{_RESET}: {note}"
