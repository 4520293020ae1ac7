"""Run `riskrelay bench`: measure on each engine, and show the results."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from riskrelay.bench.interruption import run_until_signal
from riskrelay.bench.limits import Limits, measure_limits
from riskrelay.bench.receiver import receiver_command
from riskrelay.bench.report import FLOOR_LABELS, LABELS, document, figure, ratios
from riskrelay.bench.scenarios import Measured, Place, ingest, latency, sustained
from riskrelay.bench.sources import sources
from riskrelay.storage.engines.temporary import temporary_database

_RATE = 100  # changes a second: the latency that the product promises is stated for it
_LIMIT_SECONDS, _LATENCY_SECONDS = 2, 10
_MIN_SECONDS = 0.2
_FINDINGS, _SINGLES, _EVENTS = 20_000, 2_000, 20_000


def run_bench(postgres: str | None, scale: float, as_json: bool) -> dict[str, Any]:
    """Measure the figures, and return their document: see `riskrelay bench --help`.

    Raises: ProcessFailed: a process of the benchmark ended. RiskrelayError: the database server cannot be used.
    """
    teller = Console(stderr=True) if as_json else Console()
    with tempfile.TemporaryDirectory(prefix="riskrelay-bench-") as directory:
        limits, written_in, measured = run_until_signal(
            _measure(Path(directory), postgres, scale, teller), uvloop.new_event_loop
        )
    if not as_json:
        _show(teller, limits, written_in, measured)
    return document(limits, written_in, measured)


async def _measure(
    directory: Path, postgres: str | None, scale: float, teller: Console
) -> tuple[Limits, str, list[Measured]]:
    if postgres is not None:
        async with temporary_database(postgres):  # so that a wrong URL is reported first
            pass
    command = await receiver_command(directory)
    written_in = "C" if len(command) == 1 else "Python (no C compiler found), which uses more CPU"
    measured: list[Measured] = []
    with teller.status("Limits of this machine") as status:
        limits = await measure_limits(directory, command, max(_LIMIT_SECONDS * scale, _MIN_SECONDS))
        for name, run in _scenarios(scale).items():
            for server_url in (None,) if postgres is None else (None, postgres):
                engine = "SQLite" if server_url is None else "PostgreSQL"
                status.update(f"{name}, {engine}")
                async with _place(directory / f"{name} {engine}", server_url, command) as place:
                    measured += await run(place)
    return limits, written_in, measured


def _scenarios(scale: float) -> dict[str, Callable[[Place], Awaitable[list[Measured]]]]:
    findings, singles, events = (max(1, round(count * scale)) for count in (_FINDINGS, _SINGLES, _EVENTS))
    return {
        "Accepting findings": lambda place: ingest(place, findings, singles),
        "Events of a source": lambda place: sources(place, findings),
        "Latency": lambda place: latency(place, _RATE, _LATENCY_SECONDS * scale),
        "Delivering, RS256": lambda place: sustained(place, events, "RS256"),
        "Delivering, ES256": lambda place: sustained(place, events, "ES256"),
    }


@asynccontextmanager
async def _place(directory: Path, server_url: str | None, command: list[str]) -> AsyncIterator[Place]:
    if server_url is None:
        yield Place(directory=directory, database_url=None, workers=0, receiver_command=command)
        return
    async with temporary_database(server_url) as database_url:
        yield Place(directory=directory, database_url=database_url, workers=0, receiver_command=command)


def _show(teller: Console, limits: Limits, written_in: str, measured: Sequence[Measured]) -> None:
    limits_table = Table("operation", "limit", title="Limits of this machine")
    for name, value in (
        ("RSA-2048 signatures (openssl, two cores)", limits.rs256),
        ("ECDSA P-256 signatures (openssl, two cores)", limits.es256),
        ("durable writes of 4 KiB", limits.fsyncs),
        (f"pushes to a constant response (receiver in {written_in})", limits.pushes),
    ):
        limits_table.add_row(name, "openssl is not installed" if value is None else f"{value:,.0f}/s")
    for name, label in FLOOR_LABELS.items():
        limits_table.add_row(label, figure(name, getattr(limits.floor, name)))
    teller.print(limits_table)
    table = Table("scenario", "database", "results", title="riskrelay")
    for one in measured:
        shown = {**one.figures, **ratios(one, limits)}
        lines = [f"{figure(name, value)} {LABELS[name]}" for name, value in shown.items()]
        table.add_row(f"{one.scenario}, {one.variant}", one.engine, "\n".join(lines))
    teller.print(table)
