"""A minimal and a full example of each event type, computed from the table."""

from typing import Any

from riskrelay.core.ssf.event_type import EventType


def minimal_example(row: EventType) -> dict[str, Any]:
    """A valid event with nothing that could be left out."""
    wanted = {field.name for field in row.fields if field.required} | set(row.one_of[:1])
    return {field.name: field.example for field in row.fields if field.name in wanted}


def full_example(row: EventType) -> dict[str, Any]:
    """A valid event with every member that its type has."""
    return {field.name: field.example for field in row.fields}
