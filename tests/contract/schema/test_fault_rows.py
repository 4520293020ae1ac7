"""Every fault that the product must survive has a test, and CI runs those that it should."""

import subprocess
import sys
from pathlib import Path

from support.fault_report import Result, report
from support.fault_rows import ROWS, marked_tests, shown_by_row
from support.service import environment

TESTS = marked_tests()


def test_each_row_is_shown_by_a_test() -> None:
    """Every one, in order; and no test names another one."""
    assert set(shown_by_row(TESTS)) == set(ROWS)
    assert list(ROWS) == sorted(ROWS)
    assert set(range(1, 41)) <= set(ROWS)


def test_ci_shows_what_it_should() -> None:
    """By tests that `make test` does not leave out."""
    in_ci = set(shown_by_row([test for test in TESTS if not test.long]))
    assert {number for number, row in ROWS.items() if row.in_ci} <= in_ci


FORGETFUL = """
import pytest
from support.unchecked import UNCHECKED

@pytest.mark.fault(1)
def test_that_forgets():
    UNCHECKED.add("sqlite:///a.db")

@pytest.mark.fault(1)
def test_that_checks():
    UNCHECKED.add("sqlite:///a.db")
    UNCHECKED.discard("sqlite:///a.db")

def test_of_no_fault():
    UNCHECKED.add("sqlite:///a.db")
"""


def test_a_test_of_a_fault_ends_with_the_six_checks(tmp_path: Path) -> None:
    """One that has changed something in a running service, and not checked its ledger since, fails."""
    (tmp_path / "test_some.py").write_text(FORGETFUL)
    options = ["-q", "--color=no", "-p", "support.fault_plugin", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path], env=environment(), capture_output=True, text=True
    )
    assert "1 failed, 2 passed" in run.stdout, run.stdout + run.stderr
    assert "AssertionError: a test of a fault ends with" in run.stdout
    [failed] = [line for line in run.stdout.splitlines() if line.startswith("FAILED ")]
    assert "::test_that_forgets" in failed  # where CI is set, pytest writes the whole message behind the name


def test_the_report_says_what_failed_and_what_did_not_run() -> None:
    """A row is passed when a test of it ran and none failed."""
    page = report(
        [
            Result("fault/test_a.py::test_one", [1, 2], runs=3, kills=7, seeds={5}),
            Result("fault/test_a.py::test_two", [2], runs=1, failed=1),
            Result("fault/test_a.py::test_three", [3], skipped=1),
        ],
        61,
    )
    rows = {line.split(" | ")[0]: line for line in page.splitlines() if line.startswith("| ")}
    assert rows["| 1"].endswith("| `fault/test_a.py::test_one` | 3 | 7 | 5 | passed |")
    assert rows["| 2"].endswith("| 4 | 7 | 5 | **failed** |")
    assert rows["| 3"].endswith("| 0 | 0 | – | **not run** |")
    assert rows["| 4"].endswith("| – | 0 | 0 | – | **not run** |")
    assert f"**1 of {len(ROWS)} faults passed**, 4 runs of 3 tests, 7 kills." in page
