"""The marker `fault(*rows, long=False)`, and docs/fault-report.md from what its tests did.

    RISKRELAY_FAULTS=1 pytest -m fault --fault-report=docs/fault-report.md

A test tells how often it killed and from which seed by pytest's `record_property("kills", …)` and `("seed", …)`.
One that changes anything in a running service ends with the six checks, or fails.
"""

import os
import random
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from support.fault_report import Result, report
from support.unchecked import UNCHECKED

AT_LENGTH = bool(os.environ.get("RISKRELAY_FAULTS"))
"""Whether tests run at full length: those marked `long` too, and as often as they like."""

KILLS = int(os.environ.get("RISKRELAY_KILLS", "10"))
"""How often the big tests kill a process at a random moment."""


def seed_of_run(record: Callable[[str, object], None]) -> int:
    """The seed of a test's random moments, from RISKRELAY_SEED or fresh; it is in the report, and a failure shows it.

    Args:
        record: the test's `record_property`.
    """
    seed = int(os.environ.get("RISKRELAY_SEED", random.SystemRandom().randrange(10**6)))
    record("seed", seed)
    print(f"RISKRELAY_SEED={seed}")
    return seed


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-report", type=Path, help="write what the tests of faults came to into this file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(*rows, long=False): the test shows these rows of support/fault_rows.py")
    path = config.getoption("--fault-report")
    if path is not None:
        config.pluginmanager.register(_Reporter(path), "fault-reporter")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long ones unless they are asked for."""
    if AT_LENGTH:
        return
    left_out = [item for item in items if any(mark.kwargs.get("long") for mark in item.iter_markers("fault"))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Refuse a test of a fault that leaves a ledger unchecked."""
    UNCHECKED.clear()
    done = yield
    if UNCHECKED and pyfuncitem.get_closest_marker("fault") is not None:
        raise AssertionError("a test of a fault ends with support.ledger_checks.check_ledger, after its last request")
    return done


class _Reporter:
    """Collects results and writes the report at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began = time.monotonic()
        self._results: dict[str, Result] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Count one phase of one run."""
        told = yield
        rows = sorted({row for mark in item.iter_markers("fault") for row in mark.args})
        if rows:
            name = item.nodeid.partition("[")[0].removeprefix("tests/")
            self._results.setdefault(name, Result(name, rows)).count(told)
        return told

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._path.write_text(report(list(self._results.values()), time.monotonic() - self._began))
