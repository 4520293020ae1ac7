"""Commands on exceptions, over the API."""

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show

app = typer.Typer(
    help="Exceptions: users for whom a behavior is ignored, capped at a level, or has another level.",
    no_args_is_help=True,
)

_SERVICE_ACCOUNT_REASON = "Service account"

_IdArgument = Annotated[
    str, typer.Argument(metavar="EXCEPTION", help="The exception's id, or the user, pattern or group that it covers.")
]
_LevelOption = Annotated[str | None, typer.Option(help="low, medium or high; of the effects cap and level.")]
_EndsOption = Annotated[
    str | None, typer.Option("--ends", help="When the exception ends, such as 2026-12-31T00:00:00Z.")
]


@app.command("list", epilog="Example: riskrelay exception list --json")
def list_all(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most this many exceptions.")] = 1_000,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """List the exceptions, also those that have ended, oldest first."""
    found = with_api(account, lambda api: api.newest("/exceptions", {}, limit))
    show(found, as_json, lambda: _table(found))


@app.command(
    "add", epilog='Example: riskrelay exception add --service-account "svc-*@example.com" --reason "Backup jobs"'
)
def add(
    user: Annotated[str | None, typer.Option(help="The e-mail address of a user.")] = None,
    group: Annotated[str | None, typer.Option(help="A group of the directory.")] = None,
    pattern: Annotated[
        str | None, typer.Option(help="A pattern of e-mail addresses, such as svc-*@example.com.")
    ] = None,
    service_account: Annotated[
        str | None, typer.Option(help="An e-mail address or a pattern: ignore all behaviors, without an end.")
    ] = None,
    behavior: Annotated[str | None, typer.Option(help="The id of a behavior. Default: all behaviors.")] = None,
    effect: Annotated[str, typer.Option(help="ignore, cap or level.")] = "ignore",
    level: _LevelOption = None,
    reason: Annotated[str | None, typer.Option(help="Why, for people of the account.")] = None,
    ends_at: _EndsOption = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Add an exception. The levels of the users that it covers are computed again, and receivers are notified."""
    if sum(one is not None for one in (user, group, pattern, service_account)) != 1:
        raise typer.BadParameter("give exactly one of --user, --group, --pattern and --service-account")
    if service_account is not None:
        if effect != "ignore" or behavior is not None or ends_at is not None:
            raise typer.BadParameter("--service-account ignores all behaviors without an end; use --user or --pattern")
        reason = reason or _SERVICE_ACCOUNT_REASON
        user, pattern = (None, service_account) if "*" in service_account else (service_account, None)
    if reason is None:
        raise typer.BadParameter("give a --reason")
    body = {
        "user": user,
        "group": group,
        "pattern": pattern,
        "behavior": behavior,
        "effect": effect,
        "level": level,
        "reason": reason,
        "ends_at": ends_at,
    }
    row = with_api(account, lambda api: api.call("POST", "/exceptions", body))
    show(row, as_json, lambda: _table([row]))


@app.command("set", epilog="Example: riskrelay exception set kai@example.com --effect cap --level low")
def set_one(
    exception_id: _IdArgument,
    behavior: Annotated[str | None, typer.Option(help="The id of a behavior, or all. Default: unchanged.")] = None,
    effect: Annotated[str | None, typer.Option(help="ignore, cap or level. Default: unchanged.")] = None,
    level: _LevelOption = None,
    reason: Annotated[str | None, typer.Option(help="Why. Default: unchanged.")] = None,
    ends_at: _EndsOption = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Change an exception. The levels of the users that it covers are computed again."""
    given = {"behavior": behavior, "effect": effect, "level": level, "reason": reason, "ends_at": ends_at}
    changes: dict[str, str | None] = {name: value for name, value in given.items() if value is not None}
    if behavior == "all":
        changes["behavior"] = None
    if effect == "ignore":
        changes["level"] = None
    row = with_api(account, lambda api: _changed(api, exception_id, changes))
    show(row, as_json, lambda: _table([row]))


@app.command("end", epilog="Example: riskrelay exception end kai@example.com")
def end(exception_id: _IdArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """End an exception now. It stays in the list, so that its reason can be read later."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    row = with_api(account, lambda api: _changed(api, exception_id, {"ends_at": now}))
    show(row, as_json, lambda: _table([row]))


@app.command("delete", epilog="Example: riskrelay exception delete kai@example.com")
def delete(exception_id: _IdArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Delete an exception. Findings recorded meanwhile count again."""
    result = with_api(account, lambda api: api.call("DELETE", _path(exception_id)))
    show(result, as_json, lambda: say("Exception {} deleted.", exception_id))


def _changed(api: Api, exception_id: str, changes: dict[str, str | None]) -> Any:
    if not changes:
        fail("give at least one option to change")
    return api.call("PUT", _path(exception_id), {**api.call("GET", _path(exception_id)), **changes})


def _path(exception_id: str) -> str:
    return f"/exceptions/{quote(exception_id, safe='')}"


def _table(exceptions: list[dict[str, Any]]) -> None:
    print_table(
        [
            {
                "id": one["id"],
                "covers": one["user"] or one["pattern"] or f"group {one['group']}",
                "behavior": one["behavior"] or "all",
                "effect": one["effect"] if one["level"] is None else f"{one['effect']} {one['level']}",
                "ends_at": "ended" if one["has_ended"] else one["ends_at"],
                "reason": one["reason"],
            }
            for one in exceptions
        ],
        "No exceptions.",
    )
