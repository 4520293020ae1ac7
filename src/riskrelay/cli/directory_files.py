"""Reading files of directory entries: CSV with a header or NDJSON, a line for each entry or for each user."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import msgspec

from riskrelay.cli.output import fail
from riskrelay.core.sources.directory import NAME_KINDS

ENTRIES_PER_BATCH = 5_000  # guessed: some tenths of a second of work
_MAX_LINE_CHARACTERS = 100_000  # guessed: a user with some names has a few hundred
_COLUMNS = f"kind, name and email, or email and some of {', '.join(NAME_KINDS)}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that are sent as one request, with the number of the line that each is from."""

    entries: list[dict[str, Any]]
    lines: list[int]


def batches(file: Path) -> Iterator[Batch]:
    """Yield the entries of *file*, whatever its size. Ends the command at a line that cannot be read."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        entries: list[dict[str, Any]] = []
        lines: list[int] = []
        try:
            for number, row in _rows(stream):
                for entry in _entries(row, number):
                    entries.append(entry)
                    lines.append(number)
                if len(entries) >= ENTRIES_PER_BATCH:
                    yield Batch(entries, lines)
                    entries, lines = [], []
        except UnicodeDecodeError:
            fail(f"{file} is not UTF-8")
        if entries:
            yield Batch(entries, lines)


def _rows(stream: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each line's number and members. A file whose first character is { is NDJSON."""
    first = stream.read(1)
    stream.seek(0)
    return _objects(stream) if first == "{" else _records(stream)


def _objects(stream: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(_bounded(stream), 1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError):
            fail(f"line {number:,} is not JSON")
        if not isinstance(row, dict):
            fail(f"line {number:,} is not a JSON object")
        yield number, row


def _records(stream: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.reader(_bounded(stream), strict=True)
    try:
        header = [column.strip().lower() for column in next(reader, [])]
        if not _is_header(header):
            fail(f"line 1 must name the columns: {_COLUMNS}")
        for row in reader:
            if len(row) > len(header):
                fail(f"line {reader.line_num:,} has more values than there are columns")
            if any(value.strip() for value in row):
                yield reader.line_num, dict(zip(header, row, strict=False))
    except csv.Error as error:
        fail(f"line {reader.line_num:,} is not CSV: {error}")


def _bounded(stream: TextIO) -> Iterator[str]:
    number = 0
    while line := stream.readline(_MAX_LINE_CHARACTERS + 1):
        number += 1
        if len(line) > _MAX_LINE_CHARACTERS:
            fail(f"line {number:,} has more than {_MAX_LINE_CHARACTERS:,} characters")
        yield line


def _is_header(columns: list[str]) -> bool:
    named = set(columns)
    return "email" in named and ({"kind", "name"} <= named or not named.isdisjoint(NAME_KINDS))


def _entries(row: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """One entry of the members kind, name and email; or one for each member that is named like a kind.

    A user without any name or without an address gives no entry.
    """
    groups = _groups(row.get("groups"), number)
    if "kind" in row or "name" in row:
        return [{**{member: _text(row.get(member), number, member) for member in ("kind", "name", "email")}, **groups}]
    named = {kind: text for kind in NAME_KINDS if (text := _text(row.get(kind), number, kind))}
    email = _text(row.get("email"), number, "email")
    if "email" not in row or row.keys().isdisjoint(NAME_KINDS):
        fail(f"line {number:,} must have {_COLUMNS}")
    return [{"kind": kind, "name": name, "email": email, **groups} for kind, name in named.items()] if email else []


def _groups(value: Any, number: int) -> dict[str, list[str]]:
    """The member groups: a list in NDJSON, separated by semicolons in CSV."""
    if isinstance(value, list):
        return {"groups": [_text(group, number, "groups") for group in value]}
    named = [group for text in _text(value, number, "groups").split(";") if (group := text.strip())]
    return {"groups": named} if named else {}


def _text(value: Any, number: int, member: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        fail(f"line {number:,}, {member}: must be a string")
    return value.strip()
