"""`riskrelay demo`: success is counted, failure is not hidden."""

import json
import signal
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.fork_server import Forked, shared_fork_server
from support.service import environment
from support.waiting import until


@dataclass(kw_only=True)
class Finished:
    """A demo that has ended.

    Attributes:
        story: its output, without the last line.
        result: the last line, which is JSON.
        landed: the path to which `/` of the service redirects.
        left: processes and files that it left behind.
    """

    exit_code: int
    story: str
    result: dict[str, Any]
    landed: str
    left: list[str]


def test_the_demo_fails_without_a_receiver() -> None:
    """Exit 1, and the message says that the events are held."""
    run = shared_fork_server().run(["demo", "--json", "--no-receiver"], environment(), timeout=240)
    assert run.returncode == 1
    assert "are still pending in the service and are not lost" in run.stderr.replace("\n", " ")
    assert not run.stdout


def start(tmp_path: Path, *flags: str) -> Forked:
    """Start a demo that keeps its files below *tmp_path*; its output goes to a file there."""
    said = tmp_path / "said"
    said.touch()
    return shared_fork_server().start(["demo", *flags], environment(TMPDIR=str(tmp_path)), said)


def commands_of(demo: Forked) -> list[str]:
    """The words of the commands that its processes run."""
    found: list[str] = []
    for child in psutil.Process(demo.pid).children():
        with suppress(psutil.NoSuchProcess):
            found += child.cmdline()
    return found


def end(demo: Forked, number: signal.Signals) -> tuple[int, list[psutil.Process]]:
    """Send a signal.

    Returns: the exit code, and the demo's processes that still run.
    """
    children = psutil.Process(demo.pid).children(recursive=True)
    assert children
    demo.send_signal(number)
    return demo.wait(60), [child for child in children if child.is_running()]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Run `demo --stay --json` until it waits, use its console, and end it with SIGTERM."""
    directory = tmp_path_factory.mktemp("demo")
    demo = start(directory, "--stay", "--json")
    said = directory / "said"
    try:
        until(lambda: "Press Ctrl-C to stop" in said.read_text() or demo.poll() is not None, seconds=240)
        (url,) = [word.removesuffix("/console;") for word in said.read_text().split() if word.endswith("/console;")]
        with urllib.request.urlopen(url, timeout=60) as page:
            landed = page.url.removeprefix(url)
        exit_code, left = end(demo, signal.SIGTERM)
    finally:
        demo.kill()
        demo.wait()
    *story, result = said.read_text().splitlines()
    return Finished(
        exit_code=exit_code,
        story="\n".join(story),
        result=json.loads(result),
        landed=landed,
        left=[str(process) for process in left] + [path.name for path in directory.iterdir() if path != said],
    )


def test_the_demo_delivers_and_verifies_every_change(finished: Finished) -> None:
    """The last line of `--json` counts delivered == changes == verified > 0."""
    result = finished.result
    assert set(result) == {"findings", "changes", "delivered", "verified", "p50_ms", "p99_ms"}
    assert result["changes"] == result["delivered"] == result["verified"] > 0
    assert "No event was lost" in finished.story


def test_a_demo_that_stays_says_how_to_sign_in_and_ends_on_sigterm(finished: Finished) -> None:
    """The console's URL answers, `/` leads there; no process and no file stays behind."""
    assert finished.exit_code == 0
    assert finished.landed.startswith("/console/sign-in")
    assert "sign in with this token:\n  rr_" in finished.story
    assert "Stopped." in finished.story
    assert finished.left == []


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
