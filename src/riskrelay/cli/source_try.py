"""`riskrelay source try`: what events would become, without a service."""

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
import yaml

from riskrelay.cli.output import JsonFlag, fail, print_table, say, show
from riskrelay.core.sources.content import TooMuchContentError, decode_events
from riskrelay.core.sources.mappings import MappingDocument, MappingInvalidError, Problem, read_mapping
from riskrelay.core.sources.reasons import sentence
from riskrelay.core.sources.signals import ActivitySignal, FindingSignal, Ignored, Mapped, Refused
from riskrelay.mapping.compiled import CompiledMapping, check_expressions
from riskrelay.mapping.events import encode_event
from riskrelay.mapping.shipped import decode_yaml, shipped_mapping, shipped_texts

_MAX_BYTES = 64 * 2**20  # chosen: what a person tries
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def try_events(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Events as the sender writes them.")
    ],
    kind: Annotated[str | None, typer.Option(help="A kind of source, such as okta_system_log.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, readable=True, help="A mapping of your own.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what each event of a file would become, and why. Nothing is sent.

    The exit code is 1 when an event is refused or the file has none.
    """
    document = _document(kind, mapping)
    mapped = _map(CompiledMapping(document), read_events(file))
    rows = [_row(number, each) for number, each in enumerate(mapped, start=1)]
    counts = Counter(row["becomes"] for row in rows)
    became = [msgspec.to_builtins(each) for each in mapped]

    def render() -> None:
        print_table(rows, without="The file has no events.")
        say("{}", ", ".join(f"{count} {becomes}" for becomes, count in sorted(counts.items())))

    show({"kind": document.kind, "counts": counts, "events": became}, as_json, render)
    if counts["refused"] or not rows:
        raise typer.Exit(1)


def _document(kind: str | None, mapping: Path | None) -> MappingDocument:
    kinds = f"kinds: {', '.join(shipped_texts())}"
    if mapping is not None and kind is None:
        return _own_document(mapping)
    if kind is None or mapping is not None:
        fail("give either --kind or --mapping", kinds)
    if kind not in shipped_texts():
        fail(f"there is no kind {kind}", kinds)
    return shipped_mapping(kind)


def _own_document(mapping: Path) -> MappingDocument:
    try:
        document = read_mapping(decode_yaml(mapping.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        fail(f"{mapping} is not YAML: {error}")
    except MappingInvalidError as error:
        _fail_for(mapping, error.problems)
    problems = check_expressions(document)
    if problems:
        _fail_for(mapping, problems)
    return document


def _fail_for(mapping: Path, problems: tuple[Problem, ...]) -> NoReturn:
    fail(f"{mapping} is not a valid mapping", *map(str, problems))


def read_events(file: Path) -> list[Any]:
    """Read the events of a file, plain or by gzip."""
    with file.open("rb") as stream:
        body = stream.read(_MAX_BYTES + 1)
    if body.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(file) as stream:
                body = stream.read(_MAX_BYTES + 1)
        except (EOFError, OSError) as error:
            fail(f"{file} is not gzip: {error}")
    if len(body) > _MAX_BYTES:
        fail(f"{file} has more than {_MAX_BYTES:,} bytes", "try a part of it: head -n 1000 FILE")
    try:
        return decode_events(body)
    except TooMuchContentError as error:
        fail(f"{file} has more than {error}", "try a part of it: head -n 1000 FILE")


def _map(mapping: CompiledMapping, events: list[Any]) -> list[Mapped]:
    """Map events; what the content already refused or ignored stays so."""
    encoded = [event if isinstance(event, (Refused, Ignored)) else encode_event(event) for event in events]
    return [mapping.map(event) if isinstance(event, bytes) else event for event in encoded]


def _row(number: int, mapped: Mapped) -> dict[str, Any]:
    """Return what people read of one event: what it becomes, whose it is or why not, and the rest in words."""
    if isinstance(mapped, (Ignored, Refused)):
        becomes = "ignored" if isinstance(mapped, Ignored) else "refused"
        details = mapped.detail or sentence(mapped.reason)
        if isinstance(mapped, Refused) and mapped.pointer:
            details += f" ({mapped.pointer})"
        return {"event": number, "becomes": becomes, "user or reason": mapped.reason.value, "details": details}
    becomes, what = _kind(mapped)
    names = ", ".join(f"{name.kind} {name.value}" for name in mapped.names)
    at = _time(mapped.at_ms)
    details = ", ".join(filter(None, (at, mapped.ip, what)))
    return {
        "event": number,
        "becomes": becomes,
        "user or reason": "".join(mapped.identities) or names,
        "details": details,
    }


def _time(at_ms: int | None) -> str:
    if at_ms is None:
        return "no time: the time of arrival is used"
    return (_EPOCH + timedelta(milliseconds=at_ms)).strftime("%Y-%m-%d %H:%M:%SZ")


def _kind(signal: FindingSignal | ActivitySignal) -> tuple[str, str | None]:
    """Say what a signal is, and what else to know of it."""
    if isinstance(signal, FindingSignal):
        return "finding", f"behavior {signal.behavior}"
    return signal.activity, signal.policy or signal.application
