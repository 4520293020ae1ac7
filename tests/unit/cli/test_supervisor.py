"""The supervisor keeps its processes running and ends them, whatever happens to one of them."""

import asyncio
import sys
from asyncio.subprocess import create_subprocess_exec
from pathlib import Path

import pytest

from riskrelay.cli.supervisor import Supervisor

# Number 2 ends at once the first time, and takes with it what is needed to start it again.
_SERVES = """#!{python}
import os, sys, time
number, directory, lifeline = sys.argv[4:7]
os.write(int(lifeline), b"r")
if number == "2" and not os.path.exists(directory + "/ended"):
    os.rename(sys.argv[0], directory + "/ended")
    sys.exit()
open(directory + "/" + number, "w").close()
time.sleep(60)
"""


async def _until_there(path: Path) -> None:
    async with asyncio.timeout(60):
        while not path.exists():
            await asyncio.sleep(0.01)


async def test_a_process_that_cannot_be_started_again_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when there is no memory for it just now: the others go on."""
    program = tmp_path / "python"
    written = _SERVES.format(python=sys.executable)
    program.write_text(written)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    supervisor = Supervisor(tmp_path, [])
    running = asyncio.create_task(supervisor.run(2))
    await _until_there(tmp_path / "ended")
    await asyncio.sleep(0.7)  # longer than the first pause: it has been tried
    assert not running.done()
    program.write_text(written)
    program.chmod(0o755)
    await _until_there(tmp_path / "2")
    supervisor._stop()
    assert await asyncio.wait_for(running, 60) == 0


async def test_a_process_that_has_just_ended_does_not_prevent_stopping_the_others(tmp_path: Path) -> None:
    """A service manager tells all of them at once."""
    ended, other = [await create_subprocess_exec(*command) for command in (["true"], ["sleep", "60"])]
    await ended.wait()
    await asyncio.sleep(0.01)  # now the event loop has forgotten it
    supervisor = Supervisor(tmp_path, [])
    supervisor._running |= {ended, other}
    supervisor._stop()
    assert await asyncio.wait_for(other.wait(), 60) == -15
