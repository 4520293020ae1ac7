"""Processes that share one port tell each other what they count, so that a scrape that reaches one shows all."""

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
        directory: nobody else's; each process has a socket there, named by its number.
        number: of this process, from 1.
    """

    def __init__(self, directory: Path, number: int) -> None:
        self._directory = directory
        self.number = number

    @asynccontextmanager
    async def answering(self, tell: Callable[[], bytes]) -> AsyncIterator[None]:
        """Tell each that asks what *tell* says then, while the block runs."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(tell())
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
        """What each of the others tells, by its number. One that does not answer in time is not there."""
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
    """One exposition of several processes, in Prometheus' text form.

    Every sample has the label `process`: sums over it are right, and a process that starts again at 0 is seen to. All
    samples of a metric stand together, as the form wants it.

    Args:
        expositions: what each process counts, by its number.
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
