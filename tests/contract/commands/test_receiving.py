"""`riskrelay receive --poll`, as a user runs it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.fork_server import shared_fork_server
from support.service import environment
from unit.receiver.transmitter_stand_in import AUDIENCE, StandIn


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """A transmitter that listens."""
    stand_in = StandIn()
    yield stand_in
    await stand_in.stop()


async def receive(*arguments: str, **settings: str) -> tuple[int | None, str, str]:
    """Run the command to its end.

    Returns: exit code, standard output, standard error.
    """
    given = environment(COLUMNS="200", **settings)
    ended = await asyncio.to_thread(shared_fork_server().run, ["receive", *arguments], given, 60)
    return ended.returncode, ended.stdout, ended.stderr


async def test_it_polls_verifies_shows_and_acknowledges(stand_in: StandIn, tmp_path: Path) -> None:
    """One event is printed, logged and acknowledged; when the transmitter lets it in no more, it ends and says why."""
    well_known = await stand_in.start()
    log = tmp_path / "events.ndjson"
    event = {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {"reason_admin": {"en": "Rule 4"}}}
    stand_in.answers = [(200, {"sets": {"jti-1": stand_in.signed_now({"events": event}).decode()}}), (401, {})]
    code, output, errors = await receive(
        *("--well-known", well_known, "--poll", stand_in.poll_url, "--audience", AUDIENCE, "--log", str(log)),
        RISKRELAY_RECEIVER_TOKEN="secret",
    )
    assert code == 1
    assert "verified kai@example.com: session-revoked" in output
    assert "401" in errors
    assert "secret" not in output + errors
    assert [json.loads(line)["reason"] for line in log.read_text().splitlines()] == ["Rule 4"]
    assert [(headers["Authorization"], body["ack"]) for headers, body in stand_in.polls] == [
        ("Bearer secret", []),
        ("Bearer secret", ["jti-1"]),
    ]


async def test_what_polling_needs_is_said() -> None:
    """The token and the audience, before anything is fetched."""
    well_known = "http://127.0.0.1:9/.well-known/ssf-configuration/x"
    code, _, errors = await receive("--well-known", well_known, "--poll", "http://127.0.0.1:9/poll")
    assert code == 1
    assert "RISKRELAY_RECEIVER_TOKEN" in errors
    assert "--audience" in errors
