"""Commands on notification channels, over the API."""

from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli.api import AccountOption, Api, calls_service, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show
from riskrelay.core.notifications.channels import Condition
from riskrelay.core.risk.durations import duration_of, duration_text

app = typer.Typer(
    help="Notifications: tell people when an integration, a source or the installation needs attention.",
    no_args_is_help=True,
)

_CONDITIONS = [one.value for one in Condition]
_TEST_SECONDS = 30.0  # chosen: a test may take the service 20 s

_IdArgument = Annotated[str, typer.Argument(metavar="CHANNEL", help="The channel's id or name.")]
_OnOption = Annotated[
    list[str] | None,
    typer.Option("--on", help=f"A condition: {', '.join(_CONDITIONS)}. Give it several times. Default: all."),
]
_BacklogOption = Annotated[
    str | None, typer.Option(help="How long an event may wait before backlog opens, such as 30min or 2h. Default: 1h.")
]


@app.command("list", epilog="Example: riskrelay notification list --json")
def list_all(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List the channels, each with the result of its last message."""
    found = with_api(account, lambda api: api.call("GET", "/notification_channels"))
    show(found, as_json, lambda: _table(found))


@app.command("add", epilog="Example: riskrelay notification add Ops --email ops@example.com --on backlog")
def add(
    name: Annotated[str, typer.Argument(help="For people; messages name it.")],
    email: Annotated[str | None, typer.Option(help="An e-mail address.")] = None,
    slack: Annotated[str | None, typer.Option(help="The URL of an incoming webhook of Slack or Mattermost.")] = None,
    webhook: Annotated[str | None, typer.Option(help="A URL that gets signed messages (Standard Webhooks).")] = None,
    conditions: _OnOption = None,
    backlog_after: _BacklogOption = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Add a channel. Conditions that are open are reported within a minute. The secret of a webhook is shown once."""
    targets = {"email": email, "slack": slack, "webhook": webhook}
    given = {kind: target for kind, target in targets.items() if target is not None}
    if len(given) != 1:
        raise typer.BadParameter("give exactly one of --email, --slack and --webhook")
    ((kind, target),) = given.items()
    body: dict[str, Any] = {"kind": kind, "name": name, "target": target, "conditions": conditions or _CONDITIONS}
    if backlog_after is not None:
        body["backlog_after_seconds"] = _seconds(backlog_after)
    row = with_api(account, lambda api: api.call("POST", "/notification_channels", body))

    def render() -> None:
        _table([row])
        if row["secret"] is not None:
            say("Secret, shown only once: {}", row["secret"])

    show(row, as_json, render)


@app.command("set", epilog="Example: riskrelay notification set Ops --on disk --on key_rotation")
def set_one(
    channel_id: _IdArgument,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    target: Annotated[str | None, typer.Option(help="Another e-mail address or URL.")] = None,
    conditions: _OnOption = None,
    backlog_after: _BacklogOption = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether messages are sent.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Change a channel. Omitted options keep their values. Open conditions are reported again."""
    given = {
        "name": name,
        "target": target,
        "conditions": conditions,
        "backlog_after_seconds": None if backlog_after is None else _seconds(backlog_after),
        "active": active,
    }
    changes = {member: value for member, value in given.items() if value is not None}
    if not changes:
        fail("give at least one option to change")

    def change(api: Api) -> Any:
        stored = api.call("GET", _path(channel_id))
        kept = {member: stored[member] for member in given if member != "target"}
        return api.call("PUT", _path(channel_id), {**kept, **changes})

    row = with_api(account, change)
    show(row, as_json, lambda: _table([row]))


@app.command("remove", epilog="Example: riskrelay notification remove Ops")
def remove(channel_id: _IdArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Delete a channel, and its waiting message."""
    result = with_api(account, lambda api: api.call("DELETE", _path(channel_id)))
    show(result, as_json, lambda: say("Channel {} deleted.", channel_id))


@app.command("test", epilog="Example: riskrelay notification test Ops")
@calls_service(_TEST_SECONDS)
def send_test(channel_id: _IdArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Send a test message now, and show whether it was accepted."""
    result = with_api(account, lambda api: api.call("POST", f"{_path(channel_id)}/test"))
    show(
        result,
        as_json,
        lambda: (
            say("Test message sent to {}.", channel_id)
            if result["sent"]
            else say("The test message was not sent: {}.", result["problem"])
        ),
    )
    raise typer.Exit(0 if result["sent"] else 1)


def _path(channel_id: str) -> str:
    return f"/notification_channels/{quote(channel_id, safe='')}"


def _seconds(text: str) -> int:
    duration = duration_of(text)
    if duration is None:
        fail(f"{text} must be a time, such as 30min or 2h")
    return duration // timedelta(seconds=1)


def _state(row: dict[str, Any]) -> str:
    result = row["last_result"]
    if not row["active"]:
        return "inactive"
    return "active" if result is None else "works" if result["sent"] else f"failed: {result['problem']}"


def _table(channels: list[dict[str, Any]]) -> None:
    print_table(
        [
            {
                "id": one["id"],
                "name": one["name"],
                "target": one["target"],
                "state": _state(one),
                "conditions": "all" if len(one["conditions"]) == len(_CONDITIONS) else ", ".join(one["conditions"]),
                "backlog": duration_text(timedelta(seconds=one["backlog_after_seconds"])),
            }
            for one in channels
        ],
        "No notification channels.",
    )
