"""Unpack compressed bodies, with bounds on the result, so that a small body cannot expand without limit."""

import sys
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_RATIO = 200  # chosen: logs compress 10 to 50 times; DEFLATE compresses zeros 1,000 times
ALWAYS_ALLOWED_BYTES = 1024 * 1024  # chosen: below it the ratio does not matter
MAX_MEMBERS = 1_000  # chosen: a shipper that appends one member for each event of a batch
_SLICE_BYTES = 64 * 1024
_MAX_WINDOW_LOG = 23  # RFC 8878 §3.1.1.1.2: a decoder should take windows of 8 MB

if TYPE_CHECKING:
    _Decoder = zlib._Decompress | zstd.ZstdDecompressor

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
CODINGS: Final = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate", "zstd": "zstd", "identity": "", "": ""}


class CompressedBodyError(ValueError):
    """A body that cannot be unpacked. The message is the reason and completes "the body …"."""


class UnpackedTooLargeError(ValueError):
    """A body that is too large when it is unpacked.

    Attributes:
        max_bytes: the allowed size.
    """

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"at most {max_bytes:,} bytes when unpacked")
        self.max_bytes = max_bytes


def coding_of(body: bytes, named: str) -> str:
    """Return the coding of a body; empty: it is not compressed. Without a named coding its first bytes decide.

    Args:
        named: the value of `Content-Encoding`, a key of `CODINGS`. A proxy may have unpacked the body and kept the
            header, so a body that starts like JSON is neither gzip nor zstd.

    >>> coding_of(b"\\x1f\\x8b\\x08...", ""), coding_of(b'{"a": 1}', "gzip"), coding_of(b"x", "deflate")
    ('gzip', '', 'deflate')
    """
    coding = CODINGS[named]
    if coding == "deflate":
        return coding
    if body.startswith(_GZIP):
        return "gzip"
    if body.startswith(_ZSTD):
        return "zstd"
    return "" if body[:1] in b"{[ \t\r\n" else coding


def most_unpacked(size: int, max_bytes: int) -> int:
    """Return the largest allowed unpacked size of a compressed body of *size* bytes."""
    return min(max_bytes, max(ALWAYS_ALLOWED_BYTES, size * MAX_RATIO))


def unpack(body: bytes, coding: str, max_bytes: int) -> bytes:
    """Unpack a body.

    Args:
        coding: gzip, deflate (with or without the header of zlib) or zstd.
        max_bytes: of the result, whatever the ratio.

    Raises:
        CompressedBodyError: it is damaged, incomplete, or has too many members.
        UnpackedTooLargeError: it exceeds *max_bytes* or MAX_RATIO.
    Rule: RFC 9110 §8.4.1; RFC 1952 §2.2 (members); RFC 8878.
    """
    most = most_unpacked(len(body), max_bytes)
    unpacked = bytearray()
    try:
        for piece in _pieces(body, coding, most):
            unpacked += piece
            if len(unpacked) > most:
                raise UnpackedTooLargeError(most)
    except (zlib.error, zstd.ZstdError):
        raise CompressedBodyError(f"is not {coding}, or is damaged") from None
    return bytes(unpacked)


def _pieces(body: bytes, coding: str, most: int) -> Iterator[bytes]:
    """Yield the unpacked body, at most a slice more than *most* bytes of it in one piece."""
    decoder, members = _new(coding, body), 1
    view = memoryview(body)
    for start in range(0, len(body), _SLICE_BYTES):
        left = bytes(view[start : start + _SLICE_BYTES])
        while left or _has_more(decoder):
            if decoder.eof:
                left = left.lstrip(b"\0")  # padding behind the last member
                if not left:
                    break
                if left[:1] not in (_GZIP[:1], _ZSTD[:1]) or coding == "deflate":
                    raise CompressedBodyError(f"has other bytes behind the end of its {coding}")
                members += 1
                if members > MAX_MEMBERS:
                    raise CompressedBodyError(f"has more than {MAX_MEMBERS:,} members of {coding}")
                decoder = _new(coding, left)
            yield decoder.decompress(left, most + 1)
            left = _rest(decoder)
    if not decoder.eof:
        raise CompressedBodyError(f"breaks off within its {coding}")


def _new(coding: str, start: bytes) -> "_Decoder":
    if coding == "zstd":
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG})
    if coding == "gzip":
        return zlib.decompressobj(wbits=31)
    # "deflate" is the format of zlib, but some senders leave its header out (RFC 9110 §8.4.1.2).
    has_header = len(start) > 1 and start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0
    return zlib.decompressobj(wbits=15 if has_header else -15)


def _has_more(decoder: "_Decoder") -> bool:
    """Return whether the decoder still holds output for its input. Only the zstd decoder does that."""
    return isinstance(decoder, zstd.ZstdDecompressor) and not decoder.eof and not decoder.needs_input


def _rest(decoder: "_Decoder") -> bytes:
    """Return the input that the decoder has not used."""
    if decoder.eof:
        return decoder.unused_data
    return b"" if isinstance(decoder, zstd.ZstdDecompressor) else decoder.unconsumed_tail
