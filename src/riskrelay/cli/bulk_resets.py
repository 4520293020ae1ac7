"""Commands on bulk resets, over the API."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.output import JsonFlag, explained, fail, print_table, say, show
from riskrelay.cli.waiting import wait_for

app = typer.Typer(help="Bulk resets: clear the risk levels of many users.", no_args_is_help=True)

ResetArgument = Annotated[str, typer.Argument(metavar="RESET", help="The bulk reset's id, or its beginning.")]


@app.command("list", epilog="Example: riskrelay reset list")
def list_resets(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List bulk resets and their progress, newest first."""
    rows = with_api(account, lambda api: api.call("GET", "/resets"))
    names = ("id", "status", "users_reset", "users_skipped", "total", "created_at")
    show(rows, as_json, lambda: print_table([{name: row[name] for name in names} for row in rows]))


@app.command("pause", epilog="Example: riskrelay reset pause 91d2…")
def pause(reset_id: ResetArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Pause a bulk reset."""
    _control(reset_id, "pause", account, as_json=as_json)


@app.command("resume", epilog="Example: riskrelay reset resume 91d2…")
def resume(reset_id: ResetArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Resume a bulk reset."""
    _control(reset_id, "resume", account, as_json=as_json)


@app.command("cancel", epilog="Example: riskrelay reset cancel 91d2…")
def cancel(reset_id: ResetArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Cancel a bulk reset. It can't be resumed. Users that it has reset stay reset."""
    _control(reset_id, "cancel", account, as_json=as_json)


def user_filter(
    level: str | None,
    behavior: str | None,
    *,
    event_from: datetime | None,
    event_to: datetime | None,
    file: Path | None,
) -> dict[str, Any]:
    """Return the filter of a bulk reset, without the conditions that are not given."""
    given = {
        "level": level,
        "behavior": behavior,
        "last_event_from": _utc(event_from),
        "last_event_to": _utc(event_to),
        "users": None if file is None else _users_in(file),
    }
    return {name: value for name, value in given.items() if value is not None}


def start(
    wanted: dict[str, Any], reason: str | None, account: str, *, is_confirmed: bool, wait: bool, as_json: bool
) -> None:
    """Show which users match, and start a bulk reset if it is confirmed."""
    body = {"filter": wanted, "reason": reason, "dry_run": not is_confirmed}

    def send(api: Api) -> Any:
        started = api.call("POST", "/resets", body)
        if wait and started["reset"] is not None:
            started["reset"] = _ended(api, started["reset"]["id"])
        return started

    answer = with_api(account, send)

    def render() -> None:
        print_table(answer["sample"])
        say("{:,} users match.", answer["count"])
        if answer["reset"] is not None and wait:
            row = answer["reset"]
            said = "Bulk reset {} is {}. Users reset: {:,}, skipped: {:,}."
            say(said, row["id"], row["status"], row["users_reset"], row["users_skipped"])
        elif answer["reset"] is not None:
            say("Bulk reset {} is running. To see its progress: riskrelay reset list", answer["reset"]["id"])
        elif answer["count"]:
            say("Nothing was changed. To reset these users, repeat the command with --yes.")

    show(answer, as_json, render)
    if wait and answer["reset"] is not None and answer["reset"]["status"] != "completed":
        raise typer.Exit(1)


def _ended(api: Api, reset_id: str) -> Any:
    """Wait until a bulk reset is no longer running."""
    path = f"/resets/{quote(reset_id, safe='')}"
    return wait_for(
        lambda: api.call("GET", path),
        is_over=lambda row: row["status"] != "running",
        counts=lambda row: (row["users_reset"] + row["users_skipped"], row["total"]),
        label="Resetting users",
    )


def _control(reset_id: str, verb: str, account: str, *, as_json: bool) -> None:
    path = f"/resets/{quote(reset_id, safe='')}/{verb}"
    row = with_api(account, lambda api: api.call("POST", path))
    said = "Bulk reset {} is {}. Users reset: {:,} of {:,}."
    show(row, as_json, lambda: say(said, reset_id, row["status"], row["users_reset"], row["total"]))


def _users_in(file: Path) -> list[str]:
    """Return the ids in a file, separated by white space."""
    with explained():
        found = file.read_text(encoding="utf-8").split()
    if not found:
        fail(f"{file} contains no user id; write one id per line")
    return found


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
