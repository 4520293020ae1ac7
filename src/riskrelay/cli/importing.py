"""Reading a file of findings in batches, and remembering how far it was sent."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import msgspec

from riskrelay.cli.output import fail

LINES_PER_BATCH = 1_000  # guessed: a tenth of a second of work, so that progress moves and Ctrl-C loses little
BYTES_PER_BATCH = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Lines of a file that are sent as one request.

    Attributes:
        line_numbers: of each finding in *body*, from 1.
        end: the byte offset behind the batch.
        end_line: the number of the last line read, blank ones included.
    """

    body: bytes
    line_numbers: list[int]
    end: int
    end_line: int


class ImportProgress(msgspec.Struct, kw_only=True):
    """How far a file was sent; kept beside the file until it is sent whole."""

    path: str
    size: int
    offset: int = 0
    line: int = 0
    accepted: int = 0
    duplicates: int = 0
    ignored: int = 0
    changes: int = 0

    @classmethod
    def of(cls, file: Path) -> Self:
        """The progress that was kept, or a new one. A file that has shrunk since is another file."""
        kept = _kept(file)
        size = file.stat().st_size
        if kept.is_file():
            try:
                progress = msgspec.json.decode(kept.read_bytes(), type=cls)
            except (msgspec.DecodeError, UnicodeDecodeError):
                fail(f"{kept} is not a valid progress file of {file}", f"To send the whole file again, delete {kept}.")
            if progress.offset <= size:
                return progress
        return cls(path=str(file), size=size)

    def advance(self, batch: Batch, result: dict[str, Any]) -> None:
        """Remember that *batch* was accepted, on disk."""
        self.offset, self.line = batch.end, batch.end_line
        self.accepted += result["accepted"]
        self.duplicates += result["duplicates"]
        self.ignored += result["ignored"]
        self.changes += len(result["changes"])
        kept = _kept(Path(self.path))
        fresh = kept.with_name(kept.name + ".new")
        fresh.write_bytes(msgspec.json.encode(self))
        fresh.replace(kept)

    def delete(self) -> None:
        """The file was sent whole."""
        _kept(Path(self.path)).unlink(missing_ok=True)

    def totals(self) -> dict[str, int]:
        """What became of the findings, over all runs."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "ignored": self.ignored,
            "changes": self.changes,
        }


def batches(file: Path, progress: ImportProgress) -> Iterator[Batch]:
    """Continue reading at the position of *progress*.

    Each line without an id gets one made of the file's name, its place and its content, so that a batch whose answer
    got lost can be sent again without a duplicate.
    """
    with file.open("rb") as stream:
        stream.seek(progress.offset)
        number = progress.line
        while True:
            lines: list[bytes] = []
            numbers: list[int] = []
            size = 0
            while len(lines) < LINES_PER_BATCH and size < BYTES_PER_BATCH:
                start = stream.tell()
                line = stream.readline()
                if not line:
                    break
                number += 1
                if line.strip():
                    marked = line.removeprefix(BOM_UTF8) if start == 0 else line  # editors of Windows write one
                    lines.append(_with_id(marked.strip(), file.name, start, number))
                    numbers.append(number)
                    size += len(line)
            if not lines:
                return
            yield Batch(body=b"\n".join(lines), line_numbers=numbers, end=stream.tell(), end_line=number)


def _with_id(line: bytes, name: str, start: int, number: int) -> bytes:
    try:
        finding = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fail(f"line {number:,} is not JSON: {error}")
    if not isinstance(finding, dict):
        fail(f"line {number:,} is not a JSON object")
    if finding.get("id") is not None:
        return line
    finding["id"] = "import-" + sha256(f"{name}\n{start}\n".encode() + line).hexdigest()[:40]
    return msgspec.json.encode(finding)


def _kept(file: Path) -> Path:
    return file.with_name(file.name + ".import-progress")
