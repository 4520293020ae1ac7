"""No route goes without the check that keeps accounts apart."""

import re

from support.crossing import (
    ABOUT_ITSELF,
    OF_ACCOUNTS,
    OF_RECEIVERS,
    OF_SENDERS,
    OF_THE_CONSOLE,
    OF_THE_INSTALLATION,
    OPEN,
    THING_NAMES,
    routes,
    without_base,
)


def test_every_route_is_public_or_held_to_the_check() -> None:
    """A new one below /accounts is checked by tests/contract/api/test_isolation.py without further ado; one elsewhere
    must be put where it belongs in tests/support/crossing.py. Nothing is listed there that is gone."""
    paths = {without_base(path) for _, path in routes()}
    held = {path for path in paths if path.startswith((OF_ACCOUNTS, OF_RECEIVERS, OF_THE_CONSOLE, OF_THE_INSTALLATION))}
    assert paths - held == OPEN | ABOUT_ITSELF


def test_a_stranger_has_something_to_ask_for() -> None:
    """Each id in a path of accounts is one that tests/support/crossing.py makes in both accounts."""
    paths = [path for _, path in routes() if without_base(path) != OF_SENDERS]
    held = [path for path in paths if without_base(path).startswith((OF_ACCOUNTS, OF_THE_INSTALLATION))]
    assert {name for path in held for name in re.findall(r"{(\w+)}", path)} == THING_NAMES
