"""Commands on deliveries and replays, over the API."""

import time
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.completing import complete_integration
from riskrelay.cli.output import JsonFlag, print_table, say, show
from riskrelay.cli.waiting import WaitFlag, wait_for
from riskrelay.core.delivery.attempts import DeliveryState

app = typer.Typer(help="Deliveries: security events sent to receivers.", no_args_is_help=True)

IntegrationArgument = Annotated[
    str,
    typer.Argument(
        metavar="INTEGRATION", autocompletion=complete_integration, help="The integration's reference id or id."
    ),
]
JtiArgument = Annotated[str, typer.Argument(help="The delivery's jti.")]

_FOLLOW_SECONDS = 1.0


class ReplayableState(Enum):
    """The states of deliveries that can be sent again in bulk: `REPLAYABLE`."""

    DEAD = "dead"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DELIVERED = "delivered"


@app.command("list", epilog="Example: riskrelay delivery list okta-prod --state pending --follow")
def list_newest(
    integration_id: IntegrationArgument,
    state: Annotated[DeliveryState | None, typer.Option(help="Show only deliveries in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum number of deliveries.")] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep showing new and changed deliveries until interrupted.")
    ] = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """List the newest deliveries of an integration."""
    query = {} if state is None else {"state": state.value}

    def work(api: Api) -> None:
        rows = api.newest(_path(integration_id), query, limit)
        show(rows, as_json, lambda: _table(rows))
        while follow:
            seen = {row["jti"]: row for row in rows}
            time.sleep(_FOLLOW_SECONDS)
            rows = api.newest(_path(integration_id), query, limit)
            for row in reversed(rows):
                if row != seen.get(row["jti"]):
                    show(row, as_json, partial(_print_line, row))

    with_api(account, work)


@app.command("show", epilog="Example: riskrelay delivery show okta-prod 8133…")
def show_one(
    integration_id: IntegrationArgument, jti: JtiArgument, account: AccountOption = "default", as_json: JsonFlag = False
) -> None:
    """Show one delivery and its attempts."""
    row = with_api(account, lambda api: api.call("GET", _path(integration_id, jti)))

    def render() -> None:
        _print_line(row)
        print_table([{name: cell for name, cell in one.items() if name != "phases"} for one in row["attempts"]])
        for attempt in row["attempts"]:
            say("Attempt {}: {}", attempt["number"], _phases(attempt["phases"]))

    show(row, as_json, render)


@app.command("retry", epilog="Example: riskrelay delivery retry okta-prod 8133…")
def retry(
    integration_id: IntegrationArgument, jti: JtiArgument, account: AccountOption = "default", as_json: JsonFlag = False
) -> None:
    """Send one delivery again, with the same jti and claims."""
    row = with_api(account, lambda api: api.call("POST", _path(integration_id, jti, "retry")))
    show(row, as_json, partial(_print_line, row))


@app.command(
    "replay", epilog="Example: riskrelay delivery replay okta-prod --state dead --reason invalid_audience --dry-run"
)
def replay(
    integration_id: IntegrationArgument,
    state: Annotated[ReplayableState, typer.Option(help="Send deliveries in this state.")],
    reason: Annotated[str | None, typer.Option(help="Send only deliveries with exactly this reason.")] = None,
    queued_from: Annotated[
        datetime | None, typer.Option("--from", help="Send only deliveries queued at this time or later (UTC).")
    ] = None,
    queued_to: Annotated[
        datetime | None, typer.Option("--to", help="Send only deliveries queued at this time or earlier (UTC).")
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option("--user", help="Send only deliveries about this user (email). Repeat it for several users."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the deliveries and show a sample. Send nothing.")
    ] = False,
    wait: WaitFlag = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Send many deliveries again, with the same jti and claims. Receivers that remember jti values ignore repeats."""
    wanted: dict[str, Any] = {
        "state": state.value,
        "reason": reason,
        "queued_from": _utc(queued_from),
        "queued_to": _utc(queued_to),
    }
    wanted |= {"users": users} if users else {}
    body = {"filter": wanted, "dry_run": dry_run}

    def start(api: Api) -> Any:
        started = api.call("POST", _path(integration_id, "replay"), body)
        if wait and started["replay"] is not None:
            started["replay"] = _ended(api, integration_id, started["replay"]["id"])
        return started

    answer = with_api(account, start)

    def render() -> None:
        for row in answer["sample"]:
            _print_line(row)
        say("{:,} deliveries match.", answer["count"])
        if answer["replay"] is not None and wait:
            say("Replay {} is {}.", answer["replay"]["id"], answer["replay"]["status"])
        elif answer["replay"] is not None:
            started = answer["replay"]["id"]
            say("Replay {} is running. To see its progress: riskrelay replay list {}", started, integration_id)

    show(answer, as_json, render)
    if wait and answer["replay"] is not None and answer["replay"]["status"] != "completed":
        raise typer.Exit(1)


def _ended(api: Api, integration_id: str, replay_id: str) -> dict[str, Any]:
    """Wait until a replay is no longer running."""

    def read() -> dict[str, Any]:
        rows = api.call("GET", _replay_path(integration_id))
        return next((row for row in rows if row["id"] == replay_id), {"id": replay_id, "status": "deleted"})

    return wait_for(
        read,
        is_over=lambda row: row["status"] != "running",
        counts=lambda row: (row.get("replayed", 0), row.get("total", 0)),
        label="Sending deliveries again",
    )


replays = typer.Typer(help="Replays: deliveries sent again in bulk.", no_args_is_help=True)

ReplayArgument = Annotated[str, typer.Argument(metavar="REPLAY", help="The replay's id, or its beginning.")]


@replays.command("list", epilog="Example: riskrelay replay list okta-prod")
def list_replays(
    integration_id: IntegrationArgument, account: AccountOption = "default", as_json: JsonFlag = False
) -> None:
    """List an integration's replays and their progress, newest first."""
    rows = with_api(account, lambda api: api.call("GET", _replay_path(integration_id)))
    shown = [{name: row[name] for name in ("id", "status", "replayed", "total", "created_at")} for row in rows]
    show(rows, as_json, lambda: print_table(shown))


@replays.command("pause", epilog="Example: riskrelay replay pause okta-prod 91d2…")
def pause(
    integration_id: IntegrationArgument,
    replay_id: ReplayArgument,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Pause a replay."""
    _control(integration_id, replay_id, "pause", account, as_json=as_json)


@replays.command("resume", epilog="Example: riskrelay replay resume okta-prod 91d2…")
def resume(
    integration_id: IntegrationArgument,
    replay_id: ReplayArgument,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Resume a replay."""
    _control(integration_id, replay_id, "resume", account, as_json=as_json)


@replays.command("cancel", epilog="Example: riskrelay replay cancel okta-prod 91d2…")
def cancel(
    integration_id: IntegrationArgument,
    replay_id: ReplayArgument,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Cancel a replay. It can't be resumed."""
    _control(integration_id, replay_id, "cancel", account, as_json=as_json)


def _control(integration_id: str, replay_id: str, verb: str, account: str, *, as_json: bool) -> None:
    path = _replay_path(integration_id, replay_id, verb)
    row = with_api(account, lambda api: api.call("POST", path))
    said = "Replay {} is {}. Deliveries queued again: {:,}."
    show(row, as_json, lambda: say(said, replay_id, row["status"], row["replayed"]))


def _path(integration_id: str, *parts: str) -> str:
    return "/".join(
        ["/integrations", quote(integration_id, safe=""), "deliveries", *(quote(p, safe="") for p in parts)]
    )


def _replay_path(integration_id: str, *parts: str) -> str:
    return "/".join(["/integrations", quote(integration_id, safe=""), "replays", *(quote(p, safe="") for p in parts)])


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_line(row: dict[str, Any]) -> None:
    reason = "" if row["reason"] is None else f" ({row['reason']})"
    attempts = len(row["attempts"])
    say("{}  {}  [bold]{}[/]{}, attempts: {}", row["queued_at"], row["jti"], row["state"], reason, attempts)


def _phases(phases: dict[str, float | None]) -> str:
    """The phases that an attempt had, in words."""
    had = [f"{name.removesuffix('_ms')} {ms} ms" for name, ms in phases.items() if ms is not None]
    return ", ".join(had) or "no phase completed"


def _table(rows: list[dict[str, Any]]) -> None:
    columns = ("queued_at", "state", "reason", "attempts", "jti")
    print_table([{column: row[column] for column in columns} | {"attempts": len(row["attempts"])} for row in rows])
