"""What `serve` tells a person at a terminal."""

import pytest

from riskrelay.cli.greeting import greet, next_steps
from riskrelay.settings import read_settings


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "Sign in with the token"),
        ({"port": 9_000}, "To sign in, set RISKRELAY_PUBLIC_URL=http://127.0.0.1:9000"),
        ({"port": 9_000, "public_url": "https://risk.example.com"}, "Sign in with the token"),
        ({"public_url": "http://risk.example.com"}, "Signing in requires HTTPS"),
        ({"public_url": "http://localhost:8700"}, "Sign in with the token"),
    ],
)
def test_the_next_step_depends_on_the_public_url(settings: dict[str, object], said: str) -> None:
    """The console's cookie needs https or this machine, and its origin is the public URL."""
    lines = next_steps(read_settings(**settings))
    assert lines[0] == f"Console: {read_settings(**settings).public_url}/console"
    assert said in lines[1]
    assert lines[2] == f"Documentation: {read_settings(**settings).public_url}/docs"


def test_nothing_is_printed_where_no_person_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output is captured here: no terminal."""
    greet(read_settings())
    assert capsys.readouterr().out == ""
