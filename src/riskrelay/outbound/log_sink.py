"""Where log lines go: to a file descriptor, from a thread of its own, so that nobody waits for whoever reads them."""

import logging
import os
import queue
import threading

_MOST_LINES = 20_000  # guessed: seconds of a busy process; a few MB
_MOST_AT_ONCE = 256  # lines one write carries


class LogSink:
    """Writes lines in their order. When nobody reads, or the disk is full, lines are dropped and counted, never waited
    for; a process that is killed loses those that were not written yet.

    Attributes:
        dropped: lines that nobody will read.
    """

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def msg(self, line: bytes | str) -> None:
        """Take one line over; structlog calls it by the level's name."""
        if self._lines.qsize() >= _MOST_LINES:
            self.dropped += 1
        else:
            self._lines.put(line if isinstance(line, bytes) else line.encode())

    debug = info = warning = error = critical = exception = msg

    def close(self, at_most_seconds: float = 1.0) -> None:
        """Write what is left, if it can be written in that time."""
        self._lines.put(None)
        self._thread.join(at_most_seconds)

    def _write_all(self) -> None:
        going_on = True
        while going_on:
            lines = [self._lines.get()]
            while len(lines) < _MOST_AT_ONCE and not self._lines.empty():
                lines.append(self._lines.get())
            going_on = lines[-1] is not None
            self._write([line for line in lines if line is not None])

    def _write(self, lines: list[bytes]) -> None:
        rest = b"".join(line + b"\n" for line in lines)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:  # the disk is full, or the reader has gone
            self.dropped += rest.count(b"\n")


class SinkHandler(logging.Handler):
    """Hands what libraries log to the same sink."""

    def __init__(self, sink: LogSink, level: int) -> None:
        super().__init__(level)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record over."""
        try:
            self._sink.msg(self.format(record))
        except Exception:  # noqa: BLE001  as every handler of the library does it
            self.handleError(record)
