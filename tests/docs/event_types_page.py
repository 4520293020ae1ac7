"""docs/event-types.md, made from the table of event types."""

import json
from collections.abc import Iterator
from typing import Any

from riskrelay.core.ssf.event_fields import Field
from riskrelay.core.ssf.event_type import EventType
from riskrelay.core.ssf.event_types import EVENT_TYPES, OF_IMPLICIT_STREAMS, OF_STREAMS
from riskrelay.core.ssf.subjects import FORMATS
from support.event_examples import full_example

_HEAD = """# Event types

Made by `make docs`; do not edit.

Every security event that this transmitter can send. `POST …/security_events` takes those that do not speak of a stream
itself; a receiver can ask for all but Okta's own, which is on the stream that each Okta integration has. A member that
nobody supplied is absent. Members that a type does not define may be added under a URI as their name.
"""


def render_markdown() -> str:
    """docs/event-types.md."""
    rows = "".join("\n" + "\n".join(_section(row)) + "\n" for row in EVENT_TYPES.values())
    return _HEAD + rows + "\n" + "\n".join(_formats()) + "\n"


def _section(row: EventType) -> Iterator[str]:
    yield f"## {row.name}"
    yield ""
    yield f"`{row.uri}` ({row.source})"
    yield ""
    yield row.meaning
    if row.deprecated:
        yield f"Deprecated: send {row.deprecated} where the receiver knows it."
    if row.uri in OF_STREAMS:
        yield "Made by the transmitter only."
    elif row.uri in OF_IMPLICIT_STREAMS:
        yield f"Only on the stream that an integration with {OF_IMPLICIT_STREAMS[row.uri].name} is created with."
    if row.subject_formats is not None:
        yield f"Its subject is of format {' or '.join(row.subject_formats)}."
    if row.one_of:
        yield f"At least one of {' and '.join(f'`{name}`' for name in row.one_of)} is required."
    yield ""
    if row.fields:
        yield "| member | value | required | meaning |"
        yield "|---|---|---|---|"
        yield from (_line(field) for field in row.fields)
        yield ""
    yield "```json"
    yield _indented({"sub_id": row.subject_example, "events": {row.uri: full_example(row)}})
    yield "```"


def _line(field: Field) -> str:
    values = ", ".join(f"`{value}`" for value in field.allowed) + (", or what both agreed on" if field.open else "")
    required = f"yes ({field.rule})" if field.rule else "yes" if field.required else ""
    return f"| `{field.name}` | {field.kind.words}{': ' if values else ''}{values} | {required} | {field.meaning} |"


def _formats() -> Iterator[str]:
    yield "## Subjects"
    yield ""
    yield "A subject is one of these identifiers, or of format `complex`: an object whose members (`user`, `device`,"
    yield "`session`, `application`, `tenant`, `org_unit`, `group`, or others) are such identifiers (SSF 1.0 §3.3)."
    yield ""
    yield "| format | defined by | example |"
    yield "|---|---|---|"
    for row in FORMATS.values():
        yield f"| `{row.name}` | {row.source} | `{json.dumps(row.example)}` |"


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
