"""Commands on users and their risk, over the API."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli import bulk_resets
from riskrelay.cli.api import AccountOption, Api, ApiError, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show
from riskrelay.cli.waiting import WaitFlag, wait_for

app = typer.Typer(help="Users at risk, and their findings.", no_args_is_help=True)

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="The user's e-mail address or id.")]


@app.command("list", epilog="Example: riskrelay user list --limit 10")
def list_at_risk(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Maximum number of users.")] = 100,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """List users at risk, the highest level first."""
    result = with_api(account, lambda api: api.call("GET", f"/summary?per_page={limit}"))
    show(result["users"], as_json, lambda: print_table(result["users"]))


@app.command("show", epilog="Example: riskrelay user show kai@example.com")
def show_one(user_id: UserArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Show a user's risk level and the findings since the last reset."""
    row: dict[str, Any] = with_api(account, lambda api: api.call("GET", _path(user_id)))

    def render() -> None:
        level, reset = row.get("risk_level", "no risk"), row["last_reset_time"] or "never"
        say("{} {}: [bold]{}[/], last reset: {}", row["email"], row["name"], level, reset)
        shown = ("timestamp", "name", "risk_level", "id")
        print_table([{name: event[name] for name in shown} for event in row["events"]])

    show(row, as_json, render)


@app.command("history", epilog="Example: riskrelay user history kai@example.com --limit 5")
def history(
    user_id: UserArgument,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Maximum number of level changes.")] = 20,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show when and why a user's risk level changed, and which receivers were notified, the latest change first."""
    changes = with_api(account, lambda api: api.newest(_path(user_id, "history"), {}, limit))

    def render() -> None:
        for change in changes:
            _print_change(change)
        if not changes:
            say("No level changes recorded.")
        elif len(changes) < limit and changes[-1]["previous_level"] is not None:
            say("Earlier changes were not recorded, or have been deleted.")

    show(changes, as_json, render)


@app.command("reset", epilog='Example: riskrelay user reset --behavior imp_travel --reason "False alarm" --yes')
def reset(
    user_id: Annotated[
        str | None, typer.Argument(metavar="USER", help="The user's e-mail address or id. If omitted: many users.")
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(help="Why. Receivers get it, and the users' histories show it."),
    ] = None,
    level: Annotated[str | None, typer.Option(help="Reset users with this level: low, medium or high.")] = None,
    behavior: Annotated[str | None, typer.Option(help="Reset users that triggered this behavior.")] = None,
    event_from: Annotated[
        datetime | None, typer.Option("--from", help="Reset users whose last finding is of this time or later (UTC).")
    ] = None,
    event_to: Annotated[
        datetime | None, typer.Option("--to", help="Reset users whose last finding is of this time or earlier (UTC).")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Reset users whose ids are in this file.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Reset many users. Without it, the command only shows which ones.")
    ] = False,
    wait: WaitFlag = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Clear the risk level of a user, or of many users, and notify every receiver."""
    wanted = bulk_resets.user_filter(level, behavior, event_from=event_from, event_to=event_to, file=file)
    if user_id is None:
        if not wanted:
            fail("name a user, or users by --level, --behavior, --from, --to or --file")
        bulk_resets.start(wanted, reason, account, is_confirmed=yes, wait=wait, as_json=as_json)
        return
    if wanted:
        fail("name either one user or a filter for many users, not both")
    result = with_api(account, lambda api: api.call("POST", _path(user_id, "reset"), {"reason": reason}))
    show(result, as_json, lambda: say("The risk level of {} was cleared.", user_id))


@app.command("erase", epilog="Example: riskrelay user erase kai@example.com --yes")
def erase(
    user_id: UserArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Erase without asking for confirmation.")] = False,
    wait: WaitFlag = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Erase a user and everything about the user. Receivers keep the last level: to clear it, reset the user first."""
    if not yes:
        typer.confirm("Erase the user and everything about the user? This can't be undone.", abort=True, err=True)
    result = with_api(account, lambda api: _erased(api, user_id, wait=wait))
    is_over = result["status"] == "completed"
    said = "User {} was erased." if is_over else "User {} is no longer found. The service is removing the rest."
    show(result, as_json, lambda: say(said, user_id))


@app.command("export", epilog="Example: riskrelay user export kai@example.com > user.json")
def export(user_id: UserArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Print everything that is stored about a user, as JSON."""
    result = with_api(account, lambda api: api.call("GET", _path(user_id, "export")))
    show(result, as_json, lambda: print(json.dumps(result, indent=2)))  # noqa: T201  escaped, and no markup


def _erased(api: Api, user_id: str, *, wait: bool) -> Any:
    """Erase a user, and wait until nothing is left if *wait*: then a repeat of the request finds no user."""

    def erase_again() -> Any:
        try:
            return api.call("DELETE", _path(user_id))
        except ApiError as error:
            if error.status != 404:
                raise
            return {"status": "completed"}

    result = api.call("DELETE", _path(user_id))
    if not wait or result["status"] == "completed":
        return result
    return wait_for(
        erase_again,
        is_over=lambda row: row["status"] == "completed",
        counts=lambda row: (int(row["status"] == "completed"), 1),
        label="Erasing the user",
    )


def _path(user_id: str, *parts: str) -> str:
    return "/".join(["", quote(user_id, safe=""), *parts])


def _print_change(change: dict[str, Any]) -> None:
    """Print a level change: the level, why, by which findings and person, and the receivers."""
    levels = [change[name] or "none" for name in ("previous_level", "current_level")]
    by = "" if change["actor"] is None else f" by {change['actor']}"
    why = change["note"] or change["reason"] or ""
    said = "{}  {} → [bold]{}[/]  {}{}{}"
    say(said, change["changed_at"], *levels, change["kind"], by, f": {why}" if why else "")
    for finding in change["findings"]:
        say("    finding {} {} at {}", finding["id"], finding["name"], finding["timestamp"])
    for one in change["notified"]:
        receipt = f" at {one['received_at']}" if one["received_at"] is not None else ""
        status = f" (HTTP {one['status']})" if one["status"] is not None else ""
        say("    {} to {}{}{}, jti {}", one["state"], one["reference_id"], receipt, status, one["jti"])
    if change["more_notified"]:
        say("    and more receivers")
