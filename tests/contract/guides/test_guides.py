"""The guides tell the truth: their commands run, in order, against a service, and show what the guide says."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from riskrelay.actions.poll_stream import LONGEST_WAIT
from riskrelay.core.ssf.access import ACCESS_TOKEN_LIFE
from riskrelay.core.ssf.stream_documents import INACTIVITY_TIMEOUT, MIN_VERIFICATION_INTERVAL
from riskrelay.engine.scan_schedule import SWEEP
from riskrelay.settings import Settings
from support.programs import needed
from support.service import Oracle, Service, environment, free_port

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
NAMES = sorted(path.stem for path in GUIDES.glob("*.md"))
MARK = "--- end of block {} ---"


@dataclass(frozen=True)
class Block:
    """A fenced block of a guide.

    Attributes:
        language: what follows the fence.
        file: the name under which the reader saves it; empty when it is no file.
    """

    language: str
    file: str
    text: str


def blocks_of(guide: str) -> list[Block]:
    """The fenced blocks of a guide, in order."""
    found = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", (GUIDES / f"{guide}.md").read_text(), re.M | re.S)
    return [Block(*parts) for parts in found]


def script_of(blocks: list[Block]) -> str:
    """Every shell block, in one shell, as a reader would type them; a mark after each."""
    lines = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for number, block in enumerate(blocks):
        if block.language == "sh":
            lines += [block.text, f"echo '{MARK.format(number)}'"]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that may push to this machine, as the guides ask for."""
    service = Service(tmp_path_factory.mktemp("service"))
    service.start()
    yield service
    assert service.stop() == 0


@pytest.fixture
def okta(tmp_path: Path) -> Iterator[Oracle]:
    """Answers 202 where Okta would."""
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


def run(guide: str, directory: Path, variables: dict[str, str]) -> list[str]:
    """Run a guide's commands.

    Returns: what each block printed to standard output, by its number; empty for those that are no commands.
    """
    needed("curl", "jq")
    blocks = blocks_of(guide)
    for block in blocks:
        if block.file:
            (directory / block.file).write_text(block.text)
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.Popen(
        ["bash", "-c", script_of(blocks)],
        cwd=directory,
        env={**environment(), "PATH": commands, "COLUMNS": "200", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, complaints = shell.communicate(timeout=60)
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, f"{guide}.md stops after:\n{output}\n{complaints}"
    return [_printed(output, number) if block.language == "sh" else "" for number, block in enumerate(blocks)]


def _printed(output: str, number: int) -> str:
    before, _, _ = output.partition(MARK.format(number))
    return re.split(r"--- end of block \d+ ---\n", before)[-1]


@pytest.mark.parametrize("guide", NAMES)
def test_the_commands_of_a_guide_do_what_it_says(service: Service, okta: Oracle, tmp_path: Path, guide: str) -> None:
    """Each `text` block is what the `sh` block before it prints: every line of it, in that order."""
    account = f"guide-{guide}"
    variables = {
        "RISKRELAY_URL": service.url,
        "RISKRELAY_ACCOUNT": account,
        "RISKRELAY_TOKEN": service.new_token(account),
        "OKTA_ORG": okta.url,
        "RECEIVER_PORT": str(free_port()),
    }
    printed = run(guide, tmp_path, variables)
    blocks = blocks_of(guide)
    shown = [number for number, block in enumerate(blocks) if block.language == "text"]
    assert shown
    for number in shown:
        lines = iter(line.strip() for line in printed[number - 1].splitlines())
        missing = [line for line in blocks[number].text.splitlines() if line.strip() not in lines]
        assert missing == [], f"{guide}.md promises {missing}, but the commands print:\n{printed[number - 1]}"


def test_the_readme_names_every_guide() -> None:
    """A guide that nobody finds helps nobody."""
    readme = (GUIDES.parents[1] / "README.md").read_text()
    assert [name for name in NAMES if f"docs/guides/{name}.md" not in readme] == []


def test_the_promises_of_the_guide_are_the_services_settings() -> None:
    """IOP 1.0 §2.3.5, SSF 1.0 §8.1.4.2: what a paused stream holds and how soon verification comes are published."""
    guide = (GUIDES / "ssf-receiver.md").read_text()
    promised = {
        "and pushed, or there to be polled, within {} second": SWEEP.total_seconds(),
        "every {} seconds (`min_verification_interval`)": MIN_VERIFICATION_INTERVAL.total_seconds(),
        "for {} days (`RISKRELAY_RETENTION_DAYS`)": Settings.model_fields["retention_days"].default,
        "after {} days (`inactivity_timeout`)": INACTIVITY_TIMEOUT.days,
        "live for {} minutes": ACCESS_TOKEN_LIFE.total_seconds() / 60,
    }
    assert [text for text, value in promised.items() if text.format(f"{value:g}") not in guide] == []
    poll = (GUIDES / "poll.md").read_text()
    assert f"{LONGEST_WAIT.total_seconds():g} seconds at most" in poll
