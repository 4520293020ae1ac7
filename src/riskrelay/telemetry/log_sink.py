"""A log sink: a thread of its own writes lines to a file descriptor, so that no request waits for a slow reader."""

import logging
import os
import queue
import threading
from contextlib import suppress

_MOST_BYTES = 8_000_000  # guessed: a second or two of a busy process
_MOST_AT_ONCE = 256  # handed-over pieces that are written in one go
_UNTORN_BYTES = 4_096  # pipe(7), PIPE_BUF on Linux: what several processes write to one pipe does not mix up to here


class LogSink:
    """Writes lines in order. Lines that cannot be written, because the reader is slow or the disk is full, are dropped
    and counted. A process that is killed loses the lines that are not written yet.

    Attributes:
        dropped: the number of dropped lines.
    """

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def msg(self, lines: bytes | str) -> None:
        """Queue one or several lines. structlog calls it by the name of the level."""
        written = (lines if isinstance(lines, bytes) else lines.encode()) + b"\n"
        with self._counting:
            fits = self._waiting_bytes < _MOST_BYTES
            if fits:
                self._waiting_bytes += len(written)
            else:
                self.dropped += written.count(b"\n")
        if fits:
            self._lines.put(written)

    debug = info = warning = error = critical = exception = msg

    def close(self, at_most_seconds: float = 1.0) -> None:
        """Write the remaining lines, at most for *seconds*."""
        self._lines.put(None)
        self._thread.join(at_most_seconds)

    def _write_all(self) -> None:
        going_on = True
        while going_on:
            pieces = [self._lines.get()]
            while len(pieces) < _MOST_AT_ONCE and not self._lines.empty():
                pieces.append(self._lines.get())
            going_on = pieces[-1] is not None
            self._write(b"".join(piece for piece in pieces if piece is not None))

    def _write(self, lines: bytes) -> None:
        at = 0
        with suppress(OSError):  # the disk is full, or the reader has gone
            while at < len(lines):
                whole = lines.rfind(b"\n", at, at + _UNTORN_BYTES) + 1 or lines.find(b"\n", at) + 1
                at += os.write(self._descriptor, lines[at:whole])
        with self._counting:
            self._waiting_bytes -= len(lines)
            self.dropped += lines.count(b"\n", at)


class SinkHandler(logging.Handler):
    """Passes the log records of libraries to the sink."""

    def __init__(self, sink: LogSink, level: int) -> None:
        super().__init__(level)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record."""
        try:
            self._sink.msg(self.format(record))
        except Exception:  # noqa: BLE001  as every handler of the library does it
            self.handleError(record)
