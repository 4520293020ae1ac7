"""Compressed bodies, unpacked within bounds."""

import gzip
import random
import zlib
from collections.abc import Callable

import pytest
from backports import zstd

from riskrelay.core.sources.compression import (
    ALWAYS_ALLOWED_BYTES,
    MAX_RATIO,
    CompressedBodyError,
    UnpackedTooLargeError,
    coding_of,
    most_unpacked,
    unpack,
)

MAX = 8 * 1024 * 1024
DATA = random.Random(7).randbytes(150_000) + b'{"a": 1}\n' * 20_000
PACKED = {
    "gzip": ("gzip", gzip.compress(DATA)),
    "gzip of several members": ("gzip", gzip.compress(DATA[:9]) + gzip.compress(DATA[9:]) + b"\0" * 9),
    "deflate": ("deflate", zlib.compress(DATA)),
    "deflate without a header": ("deflate", zlib.compress(DATA, wbits=-15)),
    "zstd": ("zstd", zstd.compress(DATA)),
    "zstd of several frames": ("zstd", zstd.compress(DATA[:9]) + zstd.compress(DATA[9:])),
}


@pytest.mark.parametrize("form", PACKED)
def test_a_coding_is_unpacked(form: str) -> None:
    """Each coding gives the body back; one that breaks off, or has a rest that is none of it, is refused."""
    coding, packed = PACKED[form]
    assert unpack(packed, coding, MAX) == DATA
    with pytest.raises(CompressedBodyError, match="breaks off"):
        unpack(packed[: len(packed) // 2], coding, MAX)
    with pytest.raises(CompressedBodyError, match="behind the end"):
        unpack(packed + b"rest", coding, MAX)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_body_of_another_coding_is_refused(coding: str) -> None:
    """A body that is not of its coding is refused in words."""
    with pytest.raises(CompressedBodyError, match="damaged"):
        unpack(b"\xff\xfe no such coding", coding, MAX)


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)]
)
def test_a_bomb_is_refused_by_ratio_and_by_size(coding: str, pack: Callable[[bytes], bytes]) -> None:
    """A small body that becomes a large one is refused at MAX_RATIO, a larger one at the absolute limit."""
    assert len(unpack(pack(bytes(ALWAYS_ALLOWED_BYTES)), coding, MAX)) == ALWAYS_ALLOWED_BYTES
    with pytest.raises(UnpackedTooLargeError) as small:
        unpack(pack(bytes(ALWAYS_ALLOWED_BYTES + 1)), coding, MAX)
    assert small.value.max_bytes == ALWAYS_ALLOWED_BYTES
    with pytest.raises(UnpackedTooLargeError) as large:
        unpack(pack(random.Random(1).randbytes(100_000) + bytes(MAX)), coding, MAX)
    assert large.value.max_bytes == MAX


def test_the_bound_of_the_result_grows_with_the_body() -> None:
    """The bound is a megabyte at least, then the ratio, then the limit."""
    assert most_unpacked(10, MAX) == ALWAYS_ALLOWED_BYTES
    assert most_unpacked(10_000, MAX) == 10_000 * MAX_RATIO
    assert most_unpacked(MAX, MAX) == MAX


def test_many_members_are_refused() -> None:
    """A body of thousands of members would be copied again and again: it is refused."""
    with pytest.raises(CompressedBodyError, match="members"):
        unpack(gzip.compress(b"") * 2_000, "gzip", MAX)


def test_the_first_bytes_tell_the_coding() -> None:
    """A missing header and a header that a proxy left in place are both understood."""
    assert coding_of(gzip.compress(b"{}"), "") == "gzip"
    assert coding_of(zstd.compress(b"{}"), "gzip") == "zstd"
    assert coding_of(b'{"a": 1}', "gzip") == ""
    assert coding_of(zlib.compress(b"{}"), "deflate") == "deflate"
    assert coding_of(b"no JSON", "gzip") == "gzip"
