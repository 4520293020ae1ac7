"""Processes that share one port exchange their counts, so that a scrape of one shows all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from prometheus_client import Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_log = structlog.get_logger()

_PATIENCE_SECONDS = 2.0  # chosen: as a scrape waits for its survey; a sibling that is frozen holds none up


class Siblings:
    """The processes that share a port with this one.

    Args:
        directory: a private directory. Each process has a socket there, named by its number.
        number: the number of this process, from 1.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self._directory = directory
        self.number = number

    @asynccontextmanager
    async def answering(self, expose: Callable[[], bytes]) -> AsyncIterator[None]:
        """Answer requests of the other processes with the result of *expose*, while the block runs."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(expose())
            writer.close()

        own = self._directory / str(self.number)
        own.unlink(missing_ok=True)  # of the one before, if that was killed
        server = await asyncio.start_unix_server(answer, own)
        try:
            yield
        finally:
            server.close()
            own.unlink(missing_ok=True)

    async def ask(self) -> dict[int, bytes]:
        """Return the counts of the other processes, by number. A process that does not answer in time is left out."""
        numbers = {int(path.name) for path in self._directory.iterdir()} - {self.number}
        answers = await asyncio.gather(*map(self._ask, numbers))
        return {number: answer for number, answer in zip(numbers, answers, strict=True) if answer is not None}

    async def _ask(self, number: int) -> bytes | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._directory / str(number))
                try:
                    return await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            _log.warning("sibling_not_counted", process=number, why=str(error) or type(error).__name__)
            return None


def of_all(expositions: Mapping[int, bytes]) -> bytes:
    """Merge the expositions of several processes, in Prometheus' text format.

    Every sample gets the label `process`, so that sums are right and a restart of one process is visible. The samples
    of a metric are adjacent, as the format requires.

    Args:
        expositions: the counts of each process, by its number.
    """
    return generate_latest(_OfAll(expositions))


class _OfAll(Collector):
    def __init__(self, expositions: Mapping[int, bytes]) -> None:
        self._expositions = expositions

    def collect(self) -> list[Metric]:
        found: dict[str, Metric] = {}
        for number, exposition in sorted(self._expositions.items()):
            for family in text_string_to_metric_families(exposition.decode()):
                metric = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                labelled = (one._replace(labels={**one.labels, "process": str(number)}) for one in family.samples)
                metric.samples.extend(labelled)
        return list(found.values())
