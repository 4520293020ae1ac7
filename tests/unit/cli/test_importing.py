"""Reading a file of findings in batches."""

import json
from pathlib import Path

from riskrelay.cli.importing import ImportProgress, batches


def test_a_byte_order_mark_and_other_line_ends_are_skipped(tmp_path: Path) -> None:
    """Editors of Windows write both; the numbers of the lines stay."""
    file = tmp_path / "findings.ndjson"
    file.write_bytes(b'\xef\xbb\xbf{"id": "a"}\r\n\r\n{"id": "b"}\r\n')
    (batch,) = batches(file, ImportProgress.of(file))
    assert [json.loads(line) for line in batch.body.splitlines()] == [{"id": "a"}, {"id": "b"}]
    assert batch.line_numbers == [1, 3]
    assert batch.end == file.stat().st_size
