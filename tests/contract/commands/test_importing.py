"""`riskrelay finding import`, as a user runs it."""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import Service, environment

LINES = 16_000


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with all behaviors on."""
    service = Service(tmp_path)
    service.start()
    service.enable_behaviors()
    yield service
    service.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Forty thousand findings; every other one without an id, some blank lines between."""
    path = tmp_path / "findings.ndjson"
    with path.open("w") as out:
        for number in range(LINES):
            finding = {"behavior": "high_dlp", "user": {"email": f"u{number % 700}@example.com"}}
            if number % 2:
                finding["id"] = f"edr-{number}"
            out.write(json.dumps(finding) + ("\n\n" if number % 1_000 == 0 else "\n"))
    return path


def stored(service: Service) -> int:
    path = service.settings["RISKRELAY_DATABASE_URL"].removeprefix("sqlite:///")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (count,) = connection.execute("SELECT count(*) FROM findings").fetchone()
    connection.close()
    return int(count)


def _hear_ctrl_c() -> None:
    """As in a terminal: what a shell starts in the background ignores it, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_import_survives_ctrl_c_and_resumes_without_duplicates(service: Service, file: Path) -> None:
    """Interrupted after the first batch, the second run sends the rest: each finding is stored once."""
    progress = file.with_name(file.name + ".import-progress")
    reach = {"RISKRELAY_URL": service.url, "RISKRELAY_TOKEN": service.token, "RISKRELAY_ACCOUNT": "acme"}
    process = subprocess.Popen(
        [sys.executable, "-m", "riskrelay", "finding", "import", str(file)],
        env=environment(**reach),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_ctrl_c,
    )
    while not progress.exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 130
    assert "run the same command again" in said
    kept = json.loads(progress.read_bytes())
    assert 0 < kept["accepted"] < LINES
    totals = json.loads(service.command("finding", "import", str(file), "--json").stdout)
    assert totals["accepted"] + totals["duplicates"] == LINES
    assert totals["changes"] <= 700
    assert stored(service) == LINES
    assert not progress.exists()
    again = json.loads(service.command("finding", "import", str(file), "--json").stdout)
    assert (again["accepted"], again["duplicates"]) == (0, LINES)


def test_an_import_shows_progress(service: Service, file: Path) -> None:
    """On a terminal: lines, bytes and a bar."""
    main, terminal = pty.openpty()
    reach = {"RISKRELAY_URL": service.url, "RISKRELAY_TOKEN": service.token, "RISKRELAY_ACCOUNT": "acme"}
    process = subprocess.Popen(
        [sys.executable, "-m", "riskrelay", "finding", "import", str(file)],
        env=environment(**reach, TERM="xterm", COLUMNS="100"),
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(main, 65_536)
        except OSError:  # the terminal's other end was closed
            break
    os.close(main)
    assert process.wait(30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert f"{LINES + LINES // 1_000:,} lines" in text  # the blank ones count
    assert "━" in text
    assert f"{LINES:,} accepted" in text


def test_a_wrong_line_is_named_and_nothing_of_its_batch_is_stored(service: Service, tmp_path: Path) -> None:
    """The message has the line of the file and what to change; mended, the import goes on."""
    path = tmp_path / "wrong.ndjson"
    good = json.dumps({"behavior": "high_dlp", "user": {"email": "a@example.com"}})
    bad = json.dumps({"behavior": "unheard_of", "user": {"email": "a@example.com"}})
    path.write_text("\n".join([good] * 1_500 + [bad]))
    failed = service.command("finding", "import", str(path), check=False)
    assert failed.returncode == 1
    assert "line 1,501, behavior" in failed.stderr.replace("\n", " ")
    assert stored(service) == 1_000
    path.write_text("\n".join([good] * 1_501))
    assert service.command("finding", "import", str(path)).returncode == 0
    assert stored(service) == 1_501
    path.write_text("{broken")
    failed = service.command("finding", "import", str(path), check=False)
    assert failed.returncode == 1
    assert "line 1 is not JSON" in failed.stderr
