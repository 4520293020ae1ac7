"""`riskrelay demo`: success is counted, failure is not hidden."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from support.service import environment


def demo(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "riskrelay", "demo", *flags],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_the_demo_delivers_and_verifies_every_change() -> None:
    """Exit 0; the last line counts delivered == changes == verified > 0."""
    run = demo("--json")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    assert set(result) == {"findings", "changes", "delivered", "verified", "p50_ms", "p99_ms"}
    assert result["changes"] == result["delivered"] == result["verified"] > 0
    assert "No event was lost" in run.stderr


def test_the_demo_fails_when_the_receiver_never_comes() -> None:
    """Exit 1, and the message says that the events are held."""
    run = demo("--json", "--no-receiver")
    assert run.returncode == 1
    assert "are still pending in the service and are not lost" in run.stderr.replace("\n", " ")
    assert not run.stdout


def until(condition: Callable[[], object]) -> None:
    """Wait until *condition* holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(tmp_path: Path, *flags: str) -> subprocess.Popen[bytes]:
    """Start a demo that keeps its files below *tmp_path*; its output goes to a file there."""
    with (tmp_path / "said").open("wb") as said:
        command = [sys.executable, "-m", "riskrelay", "demo", *flags]
        return subprocess.Popen(command, env=environment(TMPDIR=str(tmp_path)), stdout=said, stderr=said)


def commands_of(demo: subprocess.Popen[bytes]) -> list[str]:
    """The words of the commands that its processes run."""
    found: list[str] = []
    for child in psutil.Process(demo.pid).children():
        with suppress(psutil.NoSuchProcess):
            found += child.cmdline()
    return found


def end(demo: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, list[psutil.Process]]:
    """Send a signal.

    Returns: the exit code, and the demo's processes that still run.
    """
    children = psutil.Process(demo.pid).children(recursive=True)
    assert children
    demo.send_signal(number)
    return demo.wait(60), [child for child in children if child.is_running()]


def test_a_demo_that_stays_says_how_to_sign_in_and_ends_on_sigterm(tmp_path: Path) -> None:
    """The console's URL answers, `/` leads there; no process and no file stays behind."""
    demo = start(tmp_path, "--stay")
    said = tmp_path / "said"
    try:
        until(lambda: "Press Ctrl-C to stop" in said.read_text() or demo.poll() is not None)
        (url,) = [word.removesuffix("/console;") for word in said.read_text().split() if word.endswith("/console;")]
        assert "sign in with this token:\n  rr_" in said.read_text()
        with urllib.request.urlopen(url, timeout=60) as page:
            assert page.url.startswith(f"{url}/console/sign-in")
        assert end(demo, signal.SIGTERM) == (0, [])
    finally:
        demo.kill()
        demo.wait()
    assert "Stopped." in said.read_text()
    assert list(tmp_path.iterdir()) == [said]


@pytest.mark.parametrize(
    ("number", "stage"),
    [(signal.SIGHUP, "init"), (signal.SIGINT, "serve"), (signal.SIGTERM, "receive")],
    ids=["SIGHUP during init", "SIGINT while the service starts", "SIGTERM while the receiver starts"],
)
def test_a_signal_at_any_moment_leaves_no_process_behind(tmp_path: Path, number: signal.Signals, stage: str) -> None:
    """The exit code names the signal; the temporary files are gone."""
    demo = start(tmp_path)
    try:
        until(lambda: stage in commands_of(demo) or demo.poll() is not None)
        assert end(demo, number) == (128 + number, [])
    finally:
        demo.kill()
        demo.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["said"]
