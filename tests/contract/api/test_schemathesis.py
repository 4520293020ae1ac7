"""schemathesis makes requests from the contract, right ones and wrong ones, and judges the answers of a real service.

Every operation of specs/openapi.yaml takes part, new ones by themselves; one run, one service a tag, two of them at a
time: each keeps a core busy, now the client, now the service. `make soak` makes 1,500 examples an operation. A failing
run prints its seed; RISKRELAY_SEED repeats it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from support.contract import DOCUMENT, DOCUMENT_PATH, operations, resolved
from support.inhabited import what_is_there
from support.service import Service, environment

SOAK = bool(os.environ.get("RISKRELAY_SOAK"))
EXAMPLES = 1_500 if SOAK else 5
SECONDS = 7_200 if SOAK else 240
TAGS = [tag["name"] for tag in DOCUMENT["tags"]]

# ignored_auth expects 401 where no credentials came; contract 15 says 400 with 9106 (test_clients.py).
EXCLUDED_CHECKS = "ignored_auth"
# The built-in check may not refuse a 400; support/schemathesis_hooks.py has a stricter one of our own.
# What is wrong and also too large is refused with 413, which the check's own list has not.
# A rotation makes RSA keys, and the JWKS keeps all of them: twenty show as much as two thousand.
CONFIGURATION = """
headers = {{ Authorization = "Bearer {token}" }}

[parameters]
"path.account_id" = "{account_id}"
"path.user_id" = "{user_id}"

[[operations]]
include-path-regex = "^/(ssf|[.]well-known)/"
headers = {{ Authorization = "Bearer {receiver_token}" }}
parameters = {{ "path.integration_id" = "{integration_id}" }}

[[operations]]
include-operation-id = "rotateSigningKeys"
generation = {{ max-examples = 20 }}

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "411", "413", "415", "422", "428", "429"]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "429"]

[phases.stateful]
max-steps = 8
"""


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """A run for each tag whose test was chosen, by tag."""
    here = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    chosen = [str(item.callspec.params["tag"]) for item in here]
    with ThreadPoolExecutor(2) as pool:
        yield {tag: pool.submit(run_tag, tmp_path_factory.mktemp(tag), tag) for tag in chosen}


@pytest.mark.soak
@pytest.mark.timeout(2 * SECONDS + 60)
@pytest.mark.parametrize("tag", TAGS)
def test_requests_made_from_the_contract(runs: dict[str, Future[None]], tag: str) -> None:
    """No failed check, no 5xx, single operations and chains of them; the ledger balances afterwards."""
    runs[tag].result()


def run_tag(directory: Path, tag: str) -> None:
    """Let schemathesis loose on a service of its own.

    Raises: AssertionError: the service did something wrong, or does not live.
    """
    service = Service(directory)
    service.start()
    try:
        configuration = directory / "schemathesis.toml"
        configuration.write_text(CONFIGURATION.format(**what_is_there(service)))
        run = subprocess.run(
            [*_command(configuration, service), "--include-tag", tag, "--phases", _phases(tag)],
            env=environment(SCHEMATHESIS_HOOKS="support.schemathesis_hooks"),
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
        assert service.get("/healthz") == b"ok\n"
        assert b"\nriskrelay_ledger_imbalance 0.0\n" in service.get("/metrics")
        assert "request_failed" not in service.log.read_text()
    finally:
        service.stop()


def _phases(tag: str) -> str:
    """All; chains only where the contract links one operation to another, because without links they are an error."""
    answers = [
        resolved(answer)
        for _, _, operation in operations()
        if tag in operation["tags"]
        for answer in operation["responses"].values()
    ]
    return "examples,coverage,fuzzing" + (",stateful" if any("links" in answer for answer in answers) else "")


def _command(configuration: Path, service: Service) -> list[str]:
    seed = os.environ.get("RISKRELAY_SEED")
    return [
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(configuration)),
        *("run", str(DOCUMENT_PATH), "--url", service.url),
        *("--checks", "all", "--exclude-checks", EXCLUDED_CHECKS, "--max-examples", str(EXAMPLES)),
        *("--generation-database", "none", "--continue-on-failure", "--request-timeout", "20"),
        *(("--seed", seed) if seed else ()),
    ]
