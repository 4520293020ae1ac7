"""The log's way out."""

import os
import socket
import threading
import time

from riskrelay.telemetry.log_sink import LogSink

PIPE_BYTES = 65_536  # pipe(7): what a pipe holds on Linux


def test_lines_come_out_in_their_order() -> None:
    """One at a time or several at once, as text or as bytes; what was taken over is written before the sink is
    closed."""
    reading, writing = os.pipe()
    sink = LogSink(writing)
    sink.info("one")
    sink.warning(b"two\nthree")
    sink.info("four")
    sink.close()
    os.close(writing)
    with os.fdopen(reading) as read:
        assert read.read() == "one\ntwo\nthree\nfour\n"
    assert sink.dropped == 0


def test_dropped_lines_are_counted_one_by_one() -> None:
    """A full pipe holds nobody up: every line is in the pipe, waits within bounds, or is counted as dropped."""
    reading, writing = os.pipe()
    sink = LogSink(writing)
    ten = b"\n".join([b"x" * 999] * 10)
    for _ in range(2_000):
        sink.info(ten)
    dropped = sink.dropped
    assert 20_000 - 9_000 <= dropped < 20_000
    lines = 0

    def read_all() -> None:
        nonlocal lines
        while piece := os.read(reading, PIPE_BYTES):
            lines += piece.count(b"\n")

    reader = threading.Thread(target=read_all)
    reader.start()
    sink.close(60)
    os.close(writing)
    reader.join()
    os.close(reading)
    assert sink.dropped == dropped
    assert lines == 20_000 - dropped


def test_lines_for_a_closed_reader_are_dropped() -> None:
    """They are counted, and the next ones are taken all the same."""
    reading, writing = os.pipe()
    sink = LogSink(writing)
    os.close(reading)
    sink.info(b"one\ntwo")
    deadline = time.monotonic() + 60
    while sink.dropped < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    sink.info("three")
    sink.close()
    os.close(writing)
    assert sink.dropped == 3


def test_each_write_is_of_whole_lines_that_a_pipe_takes_untorn() -> None:
    """Processes that share a pipe do not cut into each other's lines; a line that is longer is written alone."""
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    lines = [b"x" * size for size in (300, 3_000, 900, 4_095, 1, 9_000, 20)]
    with reading, writing:
        sink = LogSink(writing.fileno())
        sink.info(b"\n".join(lines))
        pieces = [reading.recv(65_536) for _ in range(6)]
        sink.close()
    assert b"".join(pieces) == b"\n".join([*lines, b""])
    assert [piece.count(b"\n") for piece in pieces] == [2, 1, 1, 1, 1, 1]
