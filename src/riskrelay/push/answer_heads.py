"""Read the head of a response whose framing is invalid: the status line decides (design 6).

A parser must refuse a head that two readers may understand differently. A push needs only the status, `Retry-After`
and the body of a refusal. The connection is closed after such a head, so that no response can be smuggled.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_HEAD_BYTES = 64 * 1024  # faults 25; what a receiver may send before the end of its head, interim answers included

_SWITCHING_PROTOCOLS = 101
_MAX_LENGTH_DIGITS = 12  # a length that counts is at most 64 KiB; more digits than these may be more than an integer

_STATUS_LINE = re.compile(rb"[\r\n]*HTTP/([0-9](?:\.[0-9])?)[ \t]+([1-9][0-9]{2})(?=[ \t\r\n\0])", re.IGNORECASE)
_HEAD_END = re.compile(rb"\n\r?\n")

_FIELD = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r\n"  # RFC 9112 §5, without line folding
_PLAIN = re.compile(rb"HTTP/1\.[01] ([1-9])[0-9]{2}[^\r\n\0]*\r\n(?:%b)*+\r\n" % _FIELD)
_FRAMING = re.compile(rb"\n(?:content-length|transfer-encoding):[ \t]*([^\r]*)")
_PLAIN_FRAMING = re.compile(rb"(?:[0-9]{1,%d}|chunked)[ \t]*" % _MAX_LENGTH_DIGITS)


class Head(NamedTuple):
    """The head of a final response.

    Attributes:
        end: the offset of the response's body in the received bytes.
        text: the head as it was sent.
    """

    status: int
    text: bytes
    end: int

    @property
    def retry_after(self) -> str | None:
        """Return the first Retry-After header as it was sent."""
        return next((value for name, value in self._header_fields() if name == "retry-after"), None)

    def rewritten(self) -> bytes:
        """Return a head with the same meaning that every parser accepts.

        Rule: RFC 9112 §6.3: Transfer-Encoding overrides Content-Length, equal lengths count as one. With
            unreadable lengths, the body ends with the connection.
        """
        fields = list(self._header_fields())
        codings = [value.lower() for name, value in fields if name == "transfer-encoding"]
        lengths = {one.strip() for name, value in fields if name == "content-length" for one in value.split(",")}
        lines = [f"HTTP/1.1 {self.status} ", "Connection: close"]
        if codings:
            lines += ["Transfer-Encoding: chunked"] if codings[-1].endswith("chunked") else []
        elif len(lengths) == 1 and _is_length(*lengths):
            lines.append(f"Content-Length: {lengths.pop()}")
        if self.retry_after is not None:
            lines.append(f"Retry-After: {self.retry_after}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _header_fields(self) -> Iterator[tuple[str, str]]:
        """Return names in lower case with their values, without folded lines and lines that are no fields."""
        for line in self.text.decode("latin-1").replace("\r\n", "\n").split("\n")[1:]:
            name, colon, value = line.partition(":")
            if colon and not line[0].isspace() and not any(c in value for c in "\r\0"):
                yield name.strip().lower(), value.strip()


def find_head(received: bytes | bytearray, start: int = 0) -> Head | None:
    """Find the head of the final response after the interim ones (1xx).

    Args:
        received: the bytes of a response from its beginning.
        start: the offset of the first head.

    Returns: the head; None: it is not complete yet.
    Raises: ValueError: there is no HTTP response at *start*.
    """
    while True:
        status_line = _STATUS_LINE.match(received, start)
        if status_line is None:
            if not _may_become_status_line(received[start:]):
                raise ValueError("it does not begin with a status line of HTTP")
            return None
        end = _HEAD_END.search(received, status_line.end())
        if end is None:
            return None
        status = int(status_line[2])
        if not 100 <= status < 200 or status == _SWITCHING_PROTOCOLS:
            return Head(status, bytes(received[start : end.end()]), end.end())
        start = end.end()


def retry_after_of(received: bytes | bytearray) -> str | None:
    """Return the Retry-After header of a response as it was sent; None: there is none."""
    try:
        head = find_head(received)
    except ValueError:  # of a protocol that only the parser takes for HTTP
        return None
    return None if head is None else head.retry_after


def is_plain(received: bytes | bytearray) -> bool:
    """Return whether another response may follow: every reader finds the same end of this one.

    Args:
        received: the bytes of a response from its beginning, with its whole head.
    """
    head = _PLAIN.match(received)
    while head is not None and head[1] == b"1":  # an interim answer
        head = _PLAIN.match(received, head.end())
    if head is None:
        return False
    framing = _FRAMING.findall(head[0].lower())
    return not framing or (len(framing) == 1 and _PLAIN_FRAMING.fullmatch(framing[0]) is not None)


def _may_become_status_line(received: bytes | bytearray) -> bool:
    line = bytes(received.lstrip(b"\r\n"))
    return b"\n" not in line and line[:5].upper() == b"HTTP/"[: len(line)]


def _is_length(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_LENGTH_DIGITS
