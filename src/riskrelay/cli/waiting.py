"""Waiting for what a command has started."""

import time
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from riskrelay.cli.output import errors, fail

T = TypeVar("T")

WaitFlag = Annotated[
    bool, typer.Option("--wait", help="Wait for the result, and show the progress. The exit code is 0 only on success.")
]

_POLL_SECONDS = 0.5  # chosen: a person sees progress, and the service has two small requests a second
_LONGEST_SECONDS = 3_600.0  # chosen: longer work is looked at with its own command


def wait_for(
    read: Callable[[], T],
    *,
    is_over: Callable[[T], bool],
    counts: Callable[[T], tuple[int, int]],
    label: str,
    seconds: float = _LONGEST_SECONDS,
) -> T:
    """Read a state until it is over, and show its progress on standard error.

    Args:
        counts: how much of a state is done, and how much there is.
        label: what is waited for.
        seconds: the longest wait; then the command ends with exit code 1.
    """
    ends_at = time.monotonic() + seconds
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(label, total=None)
        while True:
            state = read()
            done, total = counts(state)
            bar.update(task, completed=done, total=total)
            if is_over(state) or time.monotonic() >= ends_at:
                break
            time.sleep(_POLL_SECONDS)
    if not is_over(state):
        fail(f"{label}: not over after {seconds:g} s ({done:,} of {total:,}); it continues without this command")
    return state
