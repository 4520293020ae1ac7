"""`riskrelay demo`: show findings, levels and deliveries from end to end."""

import asyncio
import json
import math
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from riskrelay.bench.interruption import run_until_signal
from riskrelay.bench.processes import ProcessFailed
from riskrelay.cli.api import Api, ApiError
from riskrelay.cli.demo_stage import Stage
from riskrelay.cli.output import JsonFlag, fail, say, show

_PACE_SECONDS = 0.02  # between findings: a day of forty people in some seconds
_DOWN_FROM, _DOWN_UNTIL = 0.45, 0.65  # of the day: while the receiver is away
_DEADLINE_SECONDS = 12  # of a request; and for events when there is no receiver
_PATIENCE_SECONDS = 60  # after a long outage, on a slow machine, the next attempt is made after 10 to 20 s
_OWN_BEHAVIOR: dict[str, Any] = {
    "id": "vpn_from_abroad",
    "name": "VPN from Abroad",
    "description": "A VPN session from a country without an office.",
    "risk_level": "medium",
    "enabled": True,
}
_LEVELS = {"low": "[yellow]{}[/]", "medium": "[dark_orange]{}[/]", "high": "[bold red]{}[/]", None: "{}"}


class DemoFailed(Exception):
    """The demo did not finish; the message says why."""


@dataclass(kw_only=True)
class Story:
    """What the demo sent.

    Attributes:
        outage: the receiver is down or has not caught up yet.
        high: user ids of those whose level was high, by e-mail.
        sent: per e-mail, when each change's finding was sent, and whether the receiver was up then.
    """

    findings: int = 0
    outage: bool = False
    high: dict[str, str] = field(default_factory=dict)
    sent: dict[str, list[tuple[float, bool]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def changes(self) -> int:
        """Level changes that the service reported."""
        return sum(map(len, self.sent.values()))

    def latencies_ms(self, received: list[dict[str, Any]]) -> list[float]:
        """From sending the finding to the verified receipt, of changes while the receiver was up; sorted.

        Per user changes arrive in order, so the n-th receipt belongs to the n-th change.
        """
        found: list[float] = []
        place: dict[str, int] = defaultdict(int)
        for entry in received:
            sent_at, was_up = self.sent[entry["subject"]][place[entry["subject"]]]
            place[entry["subject"]] += 1
            if was_up:
                found.append((datetime.fromisoformat(entry["received_at"]).timestamp() - sent_at) * 1000)
        return sorted(found)


def demo(
    as_json: JsonFlag = False,
    stay: Annotated[bool, typer.Option("--stay", help="Keep the service and the receiver running at the end.")] = False,
    no_receiver: Annotated[
        bool, typer.Option("--no-receiver", help="Do not start the receiver, to see failed deliveries.")
    ] = False,
) -> None:
    """Run a demonstration with a service on a temporary database and a receiver in another process."""
    teller = Console(stderr=True) if as_json else Console()
    try:
        with tempfile.TemporaryDirectory(prefix="riskrelay-demo-") as directory:
            result = run_until_signal(_play(Path(directory), teller, stay, no_receiver))
    except (DemoFailed, ProcessFailed, ApiError) as error:
        fail(*str(error).splitlines())
    show(result, as_json, lambda: None)


async def _play(directory: Path, teller: Console, stay: bool, no_receiver: bool) -> dict[str, Any]:
    teller.rule("[bold]riskrelay demo[/]")
    async with Stage(directory) as stage:
        with Api("demo", stage.url, stage.token, _DEADLINE_SECONDS) as api:
            say("Service on a temporary SQLite database: {}", stage.url, to=teller)
            story = Story()
            well_known_url = await _set_up(api, stage, teller)
            if not no_receiver:
                await stage.start_receiver(well_known_url)
            watching = asyncio.create_task(_watch(stage, teller))
            day = _day()
            first, second, third = _parts(day)
            await _send(api, first, story, teller)
            if not no_receiver:
                await _outage(api, second, stage, story, teller=teller, well_known_url=well_known_url)
            await _send(api, third if not no_receiver else second + third, story, teller)
            await _reset(api, story, teller)
            await _settled(stage, story)
            await _expire(api, stage, story, teller)
            watching.cancel()
            result = await _summary(stage, story, teller)
            if stay:
                await _stay(stage, teller)
            return result


async def _set_up(api: Api, stage: Stage, teller: Console) -> str:
    """Create the integration and switch everything on.

    Returns: the integration's well-known URL.
    """
    body = {"integration_type": "Okta", "tenant_url": stage.tenant_url, "reference_id": "demo-receiver"}
    integration = await asyncio.to_thread(api.call, "POST", "/integrations", body)
    say("Integration created: {}", integration["well_known_url"], to=teller)
    behaviors = (await asyncio.to_thread(api.call, "GET", "/behaviors"))["behaviors"]
    enabled = {name: {**row, "enabled": True} for name, row in behaviors.items()}
    await asyncio.to_thread(api.call, "PUT", "/behaviors", {"behaviors": enabled})
    say("{} behaviors enabled. Sending one day of findings of the company Northwind Harbor:\n", len(enabled), to=teller)
    return str(integration["well_known_url"])


async def _send(api: Api, findings: list[dict[str, Any]], story: Story, teller: Console) -> None:
    """Send findings one by one and show the levels they change."""
    for finding in findings:
        sent_at = time.time()
        result = await asyncio.to_thread(api.call, "POST", "/findings", finding)
        story.findings += 1
        for change in result["changes"]:
            story.sent[change["email"]].append((sent_at, not story.outage))
            _print_change(finding, change, teller)
            if change["current_level"] == "high":
                story.high.setdefault(change["email"], change["user_id"])
        await asyncio.sleep(_PACE_SECONDS)


async def _outage(
    api: Api, findings: list[dict[str, Any]], stage: Stage, story: Story, teller: Console, well_known_url: str
) -> None:
    """Take the receiver down, go on accepting, bring it back, and see everything arrive."""
    await _settled(stage, story)
    await stage.stop_receiver()
    story.outage = True
    say("\n[bold]The receiver is stopped.[/] The service still accepts findings:\n", to=teller)
    await _send(api, findings, story, teller)
    waiting = (await stage.ledger())["pending"]
    say("\n[bold]The receiver is started again.[/] {} events are waiting for it:\n", waiting, to=teller)
    await stage.start_receiver(well_known_url)
    began = time.monotonic()
    await _settled(stage, story)
    story.outage = False
    took = time.monotonic() - began
    say("\n[bold]No event was lost:[/] all {} arrived within {:.1f} s.\n", waiting, took, to=teller)


async def _reset(api: Api, story: Story, teller: Console) -> None:
    email, user_id = next(iter(story.high.items()))
    say("\n[bold]An analyst reviews {}[/] and resets the user's risk level:\n", _who(email), to=teller)
    story.sent[email].append((time.time(), True))
    await asyncio.to_thread(api.call, "POST", f"/{user_id}/reset")


async def _expire(api: Api, stage: Stage, story: Story, teller: Console) -> None:
    """Add a behavior of the account's own whose findings count for two seconds, and wait until the level ends."""
    await asyncio.to_thread(api.call, "POST", "/behaviors", _OWN_BEHAVIOR)
    times = {"durations": {_OWN_BEHAVIOR["id"]: {"expires_after_seconds": 2}}}
    await asyncio.to_thread(api.call, "PUT", "/levels", times)
    said = "\n[bold]The company adds a behavior of its own[/], {}, whose findings count for two seconds:\n"
    say(said, _OWN_BEHAVIOR["name"], to=teller)
    finding: dict[str, Any] = {
        "behavior": _OWN_BEHAVIOR["id"],
        "user": {"email": "noor.dekker@northwind-harbor.example", "name": "Noor Dekker"},
    }  # without a timestamp: the service sets it, so that a slow machine sends no finding that has expired
    await _send(api, [finding], story, teller)
    story.sent[finding["user"]["email"]].append((time.time(), False))  # the finding expires: not timed as a delivery
    await _settled(stage, story)
    say("\n[bold]The finding has expired[/], so the level ended without a reset.", to=teller)


async def _settled(stage: Stage, story: Story) -> None:
    """Wait until everything has arrived, on a slow machine as long as events arrive.

    Raises: DemoFailed: none arrived for some seconds.
    """
    patience = _PATIENCE_SECONDS if stage.has_receiver else _DEADLINE_SECONDS
    received, deadline = -1, 0.0
    while (arrived := len(stage.received())) < story.changes:
        if arrived > received:
            received, deadline = arrived, time.monotonic() + patience
        elif time.monotonic() > deadline:
            ledger = await stage.ledger()
            raise DemoFailed(
                f"only {arrived} of {story.changes} level changes were received and verified, and none in the last "
                f"{patience} s; {ledger['pending']} events are still pending in the service and are not "
                "lost. The receiver is down or rejects them"
            )
        await asyncio.sleep(0.05)


async def _watch(stage: Stage, teller: Console) -> None:
    """Show verified events as they arrive, until cancelled."""
    shown = 0
    while True:
        for entry in stage.received()[shown:]:
            shown += 1
            level = _LEVELS.get(entry["current_level"], "{}")
            said = "{:>20}[green]✓ verified[/] {:<20} is " + level
            say(said, "", _who(entry["subject"]), entry["current_level"] or "none", to=teller)
        await asyncio.sleep(0.05)


async def _summary(stage: Stage, story: Story, teller: Console) -> dict[str, Any]:
    """Count, show, and refuse to call a mismatch a success."""
    received = stage.received()
    ledger = await stage.ledger()
    latencies = story.latencies_ms(received)
    result = {
        "findings": story.findings,
        "changes": story.changes,
        "delivered": ledger["delivered"],
        "verified": len({entry["jti"] for entry in received}),
        "p50_ms": _percentile(latencies, 0.50),
        "p99_ms": _percentile(latencies, 0.99),
    }
    say("\n[bold]Result[/]", to=teller)
    for name, value in result.items():
        say("  {:<10} {}", name, value, to=teller)
    if not result["changes"] == result["delivered"] == result["verified"] > 0 or ledger["imbalance"]:
        raise DemoFailed(f"changes, delivered and verified differ, or the ledger does not balance: {ledger}")
    say("[bold green]Every level change was delivered, and every signature verified.[/]", to=teller)
    return result


async def _stay(stage: Stage, teller: Console) -> None:
    say("\nStill running. Console: [bold]{}/console[/]; sign in with this token:", stage.url, to=teller)
    say("  [bold green]{}[/]", stage.token, to=teller)
    say("API reference: {}/docs. To run commands in another terminal:", stage.url, to=teller)
    for name, value in (("URL", stage.url), ("ACCOUNT", "demo"), ("TOKEN", stage.token)):
        say("  export RISKRELAY_{}={}", name, value, to=teller)
    say("Press Ctrl-C to stop.", to=teller)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        say("Stopped.", to=teller)


def _day() -> list[dict[str, Any]]:
    """The findings of one day, written for this project."""
    text = (files("riskrelay.cli") / "demo_data" / "findings.ndjson").read_text()
    return [json.loads(line) for line in text.splitlines()]


def _parts(day: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Before, during and after the receiver is away."""
    down, up = int(len(day) * _DOWN_FROM), int(len(day) * _DOWN_UNTIL)
    return [day[:down], day[down:up], day[up:]]


def _print_change(finding: dict[str, Any], change: dict[str, Any], teller: Console) -> None:
    levels = [change["previous_level"], change["current_level"]]
    before, after = (_LEVELS.get(level, "{}") for level in levels)
    at = finding.get("timestamp") or datetime.now(UTC).isoformat()
    shown = [at[11:19], finding["behavior"], _who(change["email"])]
    say("{}  {:<22} {:<20} " + before + " → " + after, *shown, *(level or "none" for level in levels), to=teller)


def _who(email: str) -> str:
    """Return the local part of an address, which identifies a person in the demo."""
    return email.partition("@")[0]


def _percentile(ordered: list[float], share: float) -> float:
    """The value that *share* of *ordered* do not exceed."""
    return round(ordered[max(math.ceil(len(ordered) * share) - 1, 0)], 2) if ordered else 0.0
