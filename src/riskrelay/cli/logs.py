"""Logging: one JSON object a line on standard error, for machines; readable when a person watches."""

import atexit
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

from riskrelay.settings import LogLevel
from riskrelay.telemetry.log_sink import LogSink, SinkHandler

_encode = msgspec.json.Encoder(enc_hook=str).encode
_for_people = structlog.dev.ConsoleRenderer()


def configure_logs(level: LogLevel) -> LogSink:
    """Set logging up, once, when a process starts.

    Args:
        level: less important lines are not written.

    Returns: where the lines go; it is closed when the process ends.
    """
    number: int = getattr(logging, level.upper())
    sink = LogSink(sys.stderr.fileno())
    atexit.register(sink.close)
    readable = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _readable if readable else _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *names: sink,
        cache_logger_on_first_use=True,
    )
    libraries = SinkHandler(sink, logging.WARNING)
    libraries.setFormatter(_LibraryLines())
    logging.getLogger().addHandler(libraries)
    logging.getLogger("oauthlib").setLevel(logging.WARNING)  # at debug it writes the tokens that it issues
    return sink


def _render(logger: Any, name: str, event: MutableMapping[str, Any]) -> bytes:
    """One line; or, of an event with `each`, as many lines as that has members, all with the rest of the event."""
    each = event.pop("each", None)
    shared = _encode(event)
    if each is None:
        return shared
    return b"\n".join([_encode(members)[:-1] + b"," + shared[1:] for members in each])


def _readable(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    """The same for a person."""
    each = event.pop("each", [{}])
    return "\n".join(_for_people(logger, name, {**msgspec.to_builtins(members), **event}) for members in each)


class _LibraryLines(logging.Formatter):
    """What a library says, as one of our lines."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {"event": "library", "logger": record.name, "said": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        at = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        return _encode({**line, "level": record.levelname.lower(), "timestamp": at}).decode()
