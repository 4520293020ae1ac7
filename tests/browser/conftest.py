"""A service and a browser for the tests of the console, and people who use both."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.browser import NARROW, Look, Person, chromium
from support.service import Service, running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a module. Not for the whole run: it holds an event loop, which the other tests could not bear."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def look(request: pytest.FixtureRequest) -> Look:
    """What the person looks with: `walked`, or a wide window in the light."""
    chosen: Look = getattr(request, "param", Look())
    return chosen


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, look: Look) -> Iterator[Service]:
    """A running service with the account acme, for each look a new one."""
    with running(tmp_path_factory.mktemp("console")) as service:
        yield service


@pytest.fixture
def stranger(browser: Browser, service: Service, look: Look) -> Iterator[Person]:
    """Somebody who has not signed in. At the end: no error in the browser's console, no request to elsewhere."""
    person = Person(browser, service, look.size, is_dark=look.is_dark)
    yield person
    person.close()


@pytest.fixture
def person(stranger: Person) -> Person:
    """Somebody who is signed in with every scope."""
    stranger.start_session()
    return stranger


@pytest.fixture
def phone(browser: Browser, service: Service) -> Iterator[Person]:
    """Somebody who is signed in with a narrow screen."""
    person = Person(browser, service, NARROW)
    person.start_session()
    yield person
    person.close()
