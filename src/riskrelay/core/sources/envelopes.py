"""The envelopes that log shippers and products put around events. The mapping documents read the events themselves."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Ignored

_MAX_DEPTH = 6  # chosen: an event in JSON text in Splunk's form in an array of records has four levels
LISTS: Final = ("records", "Records", "value", "events", "items")
_SPLUNK: Final = frozenset(("event", "time", "host", "source", "sourcetype", "index", "fields"))
_TEXTS: Final = ("message", "log", "_raw", "raw", "CloudTrailEvent")
_PARSED: Final = frozenset(("action", "category", "kind", "module", "dataset"))
_TEST_UPLOAD: Final = {"content": "tests"}
# An event without any of these members has no envelope. One set operation decides that for most events.
_MARKS: Final = frozenset((*LISTS, *_TEXTS, "event.original", "data", "event", "specversion", *_TEST_UPLOAD))
_FAILURES = (msgspec.MsgspecError, ValueError, RecursionError)


def is_bare(value: Any) -> bool:
    """Return whether a value certainly has no envelope."""
    return isinstance(value, dict) and _MARKS.isdisjoint(value)


def unwrap(value: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the events in a decoded value.

    Known forms: a list in `records`, `Records`, `value`, `events` or `items`, with only plain values beside it; Okta's
    `{"data": {"events": […]}}`; Splunk's HTTP Event Collector `{"event": …}`; CloudEvents with `data`; an event as JSON
    text in `message`, `event.original`, `log`, `_raw`, `raw` or `CloudTrailEvent`, as shippers write it; Cloudflare's
    test upload.

    Rule: docs/guides/sources/sending.md; CloudEvents 1.0 JSON format §3.
    """
    if depth > _MAX_DEPTH or not isinstance(value, dict):
        yield value
        return
    if value == _TEST_UPLOAD:
        yield Ignored(reason=Reason.TEST_UPLOAD)
        return
    inner = _inner(value)
    if inner is value:
        yield value
    elif isinstance(inner, list):
        for element in inner:
            yield from unwrap(element, depth + 1)
    else:
        yield from unwrap(inner, depth + 1)


def _inner(value: Mapping[str, Any]) -> Any:
    """Return the content of an envelope; *value* itself if it is not an envelope."""
    for name in LISTS:
        if isinstance(value.get(name), list) and all(
            not isinstance(other, (dict, list)) for member, other in value.items() if member != name
        ):
            return value[name]
    data = value.get("data")
    # This comes before Okta's form, because the data of a CloudEvent may contain a list of events.
    if "specversion" in value and "type" in value and "source" in value:
        return data if isinstance(data, (dict, list)) else _from_text(data) or value
    if isinstance(data, dict) and data.keys() == {"events"} and isinstance(data["events"], list):
        return data["events"]
    event = value.get("event")
    if event is not None and value.keys() <= _SPLUNK:
        return _from_text(event) or event
    return _inner_text(value, event) or value


def _inner_text(value: Mapping[str, Any], event: Any) -> Any:
    """Return the event that a log shipper has written as text into one member; None: there is none."""
    if isinstance(event, dict):
        if not _PARSED.isdisjoint(event):
            return None  # the shipper has parsed it
        found = _from_text(event.get("original"))
        if found is not None:
            return found
    for name in (*_TEXTS, "event.original"):
        found = _from_text(value.get(name))
        if found is not None:
            return found
    return None


def _from_text(text: Any) -> dict[str, Any] | None:
    if not isinstance(text, str) or not text.lstrip().startswith("{"):
        return None
    try:
        decoded = msgspec.json.decode(text)
    except _FAILURES:
        return None
    return decoded if isinstance(decoded, dict) else None
