"""Logging: one JSON object a line on standard error, for machines; readable when a person watches."""

import logging
import sys

import structlog


def configure_logs() -> None:
    """Set logging up, once, when a process starts."""
    logging.getLogger("oauthlib").setLevel(logging.WARNING)  # at debug it writes the tokens that it issues
    readable = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
