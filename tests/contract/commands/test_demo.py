"""`riskrelay demo`: success is counted, failure is not hidden."""

import json
import subprocess
import sys
import time

from support.service import environment


def demo(*flags: str) -> tuple[subprocess.CompletedProcess[str], float]:
    began = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "riskrelay", "demo", *flags],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return run, time.monotonic() - began


def test_the_demo_delivers_and_verifies_every_change() -> None:
    """Exit 0 in under 30 s; the last line counts delivered == changes == verified > 0."""
    run, seconds = demo("--json")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    assert set(result) == {"findings", "changes", "delivered", "verified", "p50_ms", "p99_ms"}
    assert result["changes"] == result["delivered"] == result["verified"] > 0
    assert seconds < 30
    assert "Nothing was lost" in run.stderr


def test_the_demo_fails_when_the_receiver_never_comes() -> None:
    """Exit 1, and the message says that the events are held."""
    run, _ = demo("--json", "--no-receiver")
    assert run.returncode == 1
    assert "are still pending in the service, so they are not lost" in run.stderr.replace("\n", " ")
    assert not run.stdout
