"""What the parts of a delivery cost on this machine, one at a time: the floor under every latency."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from riskrelay.bench.parts import pushing, writing
from riskrelay.core.keys import Algorithm
from riskrelay.signing.private_key import PrivateKey
from riskrelay.signing.sealing import MasterKey, new_master_key
from riskrelay.signing.signer import new_signing_key

_PAYLOAD = b"x" * 500  # about the size of the claims of a SET
_LEAST = 5  # samples, however long they take
_WORDS = [f"word-{number % 97}" for number in range(5_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Median milliseconds, each measured alone and one after the other.

    Attributes:
        write_ms: a durable write of 4 KiB to the file system of the database.
        rs256_ms: a SET signed by the product with an RSA-2048 key.
        es256_ms: a SET signed by the product with a P-256 key.
        exchange_ms: a push of the product's client to a constant response on this machine, on a kept connection.
        python_ms: a fixed piece of pure Python. It compares the interpreters of two machines.
        floor_ms: a durable write, an RS256 signature and an exchange. No delivery can be faster.
    """

    write_ms: float
    rs256_ms: float
    es256_ms: float
    exchange_ms: float
    python_ms: float
    floor_ms: float


async def measure_floor(directory: Path, receiver_command: list[str], seconds: float) -> Floor:
    """Measure the parts of a delivery, *seconds* for each.

    Raises: ProcessFailed.
    """
    write_ms = await _write(directory / "writes", seconds)
    rs256_ms = await _signature(Algorithm.RS256, seconds)
    exchange_ms = await _exchange(directory, receiver_command, seconds)
    return Floor(
        write_ms=write_ms,
        rs256_ms=rs256_ms,
        es256_ms=await _signature(Algorithm.ES256, seconds),
        exchange_ms=exchange_ms,
        python_ms=await _median_ms(_plain(pure_python), seconds),
        floor_ms=write_ms + rs256_ms + exchange_ms,
    )


def pure_python() -> int:
    """Run a fixed piece of Python: strings, dictionaries, calls and integers, some milliseconds.

    >>> pure_python()
    5084849
    """
    counts: dict[str, int] = {}
    for number, word in enumerate(_WORDS):
        counts[word] = counts.get(word, 0) + len(word.upper()) * (number % 7)
    return sum(value * place for place, value in enumerate(sorted(counts.values())))


async def _write(path: Path, seconds: float) -> float:
    with writing(path) as write:
        return await _median_ms(_plain(write), seconds)


async def _signature(algorithm: Algorithm, seconds: float) -> float:
    master_key = MasterKey([new_master_key()])
    sealed = new_signing_key(algorithm, master_key, datetime.now(UTC))
    key = PrivateKey(sealed.kid, algorithm, master_key.open(sealed.sealed_private, sealed.row))
    return await _median_ms(_plain(lambda: key.sign_all([_PAYLOAD])), seconds)


async def _exchange(directory: Path, receiver_command: list[str], seconds: float) -> float:
    async with pushing(directory, receiver_command) as push:
        return await _median_ms(push, seconds)


def _plain(work: Callable[[], object]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        work()

    return run


async def _median_ms(work: Callable[[], Awaitable[None]], seconds: float) -> float:
    """Return the median duration of *work*, which runs again and again for some seconds."""
    taken: list[float] = []
    ends = time.perf_counter() + seconds
    while len(taken) < _LEAST or time.perf_counter() < ends:
        began = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - began)
    return median(taken) * 1_000
