"""Run work that starts processes, so that a signal ends these too."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import typer

T = TypeVar("T")

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run_until_signal(
    work: Coroutine[Any, Any, T], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> T:
    """Run *work* to its end; SIGTERM, SIGINT and SIGHUP cancel it, so that its `finally` clauses run.

    A signal that is ignored, as SIGHUP is below `nohup`, stays ignored.

    Raises: typer.Exit: a signal ended it; the exit code is 128 and the signal's number, as a shell has it.
    """
    received: list[int] = []

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  this runs in a task

        def cancel(number: int) -> None:
            if not received:  # the second one does not interrupt cleaning up
                task.cancel()
            received.append(number)

        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, cancel, number)
        return await work

    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(run())
    except asyncio.CancelledError:
        if not received:
            raise
        raise typer.Exit(128 + received[0]) from None
