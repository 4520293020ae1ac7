"""The guides tell the truth: their commands run, in order, against a service, and show what the guide says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from riskrelay.actions.poll_stream import LONGEST_WAIT
from riskrelay.bench.processes import free_port
from riskrelay.core.ssf.access import ACCESS_TOKEN_LIFE
from riskrelay.core.ssf.stream_documents import INACTIVITY_TIMEOUT, MIN_VERIFICATION_INTERVAL
from riskrelay.engine.scan_schedule import SWEEP
from riskrelay.settings import Settings
from support.guides import assert_it_prints_what_it_shows, run
from support.service import Oracle, Service, running

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
NAMES = sorted(path.stem for path in GUIDES.glob("*.md"))
ABOUT_SOURCES = ("README", "sending", "mappings")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that may push to this machine, as the guides ask for."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def okta(tmp_path: Path) -> Iterator[Oracle]:
    """Answers 202 where Okta would."""
    oracle = Oracle(tmp_path)
    oracle.start()
    yield oracle
    oracle.stop()


@pytest.mark.parametrize("guide", NAMES)
def test_the_commands_of_a_guide_do_what_it_says(service: Service, okta: Oracle, tmp_path: Path, guide: str) -> None:
    """Each `text` block is what the `sh` block before it prints: every line of it, in that order."""
    account = f"guide-{guide}"
    variables = {
        "RISKRELAY_URL": service.url,
        "RISKRELAY_ACCOUNT": account,
        "RISKRELAY_TOKEN": service.new_token(account),
        "OKTA_ORG": okta.url,
        "RECEIVER_PORT": str(free_port()),
    }
    path = GUIDES / f"{guide}.md"
    assert_it_prints_what_it_shows(path, run(path, tmp_path, variables))


@pytest.mark.parametrize("name", ABOUT_SOURCES)
def test_the_commands_of_the_pages_about_sources_work(service: Service, tmp_path: Path, name: str) -> None:
    """They run, in order; each `text` block after an `sh` block is what it prints."""
    account = f"sources-{name}"
    variables = {
        "RISKRELAY_URL": service.url,
        "RISKRELAY_ACCOUNT": account,
        "RISKRELAY_TOKEN": service.new_token(account),
    }
    path = GUIDES / "sources" / f"{name}.md"
    printed = run(path, tmp_path, variables)
    if name == "mappings":
        assert_it_prints_what_it_shows(path, printed)


def test_the_first_hour_does_what_it_says(tmp_path: Path) -> None:
    """docs/start.md, from a checkout: a service, a receiver, and events that arrive, also after an outage."""
    port = str(free_port())
    variables = {
        "RISKRELAY_PORT": port,
        "RISKRELAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "RISKRELAY_URL": f"http://127.0.0.1:{port}",
        "RECEIVER_PORT": str(free_port()),
    }
    path = GUIDES.parent / "start.md"
    assert_it_prints_what_it_shows(path, run(path, tmp_path, variables))


def test_the_readme_names_every_guide() -> None:
    """A guide that nobody finds helps nobody."""
    readme = (GUIDES.parents[1] / "README.md").read_text()
    assert [name for name in NAMES if f"docs/guides/{name}.md" not in readme] == []


def test_the_promises_of_the_guide_are_the_services_settings() -> None:
    """IOP 1.0 §2.3.5, SSF 1.0 §8.1.4.2: what a paused stream holds and how soon verification comes are published."""
    guide = (GUIDES / "ssf-receiver.md").read_text()
    promised = {
        "and pushed or available for polling within {} second": SWEEP.total_seconds(),
        "every {} seconds (`min_verification_interval`)": MIN_VERIFICATION_INTERVAL.total_seconds(),
        "for {} days (`RISKRELAY_RETENTION_DAYS`)": Settings.model_fields["retention_days"].default,
        "after {} days (`inactivity_timeout`)": INACTIVITY_TIMEOUT.days,
        "expire after {} minutes": ACCESS_TOKEN_LIFE.total_seconds() / 60,
    }
    assert [text for text, value in promised.items() if text.format(f"{value:g}") not in guide] == []
    poll = (GUIDES / "poll.md").read_text()
    assert f"at most {LONGEST_WAIT.total_seconds():g} seconds" in poll
