"""Commands on behaviors, over the API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.completing import complete_behavior
from riskrelay.cli.names import did_you_mean
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show
from riskrelay.core.risk.behaviors import BEHAVIORS

app = typer.Typer(help="Behaviors: kinds of risky activity, and the risk level of each.", no_args_is_help=True)

_OwnArgument = Annotated[str, typer.Argument(help="The behavior's id, such as vpn_from_abroad.")]


@app.command("list", epilog="Example: riskrelay behavior list")
def list_all(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List every behavior with the account's setting."""
    result = with_api(account, lambda api: api.call("GET", "/behaviors"))
    show(result["behaviors"], as_json, lambda: _table(result["behaviors"]))


@app.command(
    "add", epilog='Example: riskrelay behavior add vpn_from_abroad --name "VPN from Abroad" --level medium --on'
)
def add(
    behavior: _OwnArgument,
    name: Annotated[str, typer.Option(help="The name, which receivers get as the reason.")],
    description: Annotated[str, typer.Option(help="What has to happen for the behavior to be triggered.")] = "",
    level: Annotated[str, typer.Option(help="low, medium or high.")] = "medium",
    enabled: Annotated[bool, typer.Option("--on/--off", help="Whether findings are accepted at once.")] = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Add a behavior of the account's own. The id of a retired behavior brings it back."""
    body = {"id": behavior, "name": name, "description": description, "risk_level": level, "enabled": enabled}
    row = with_api(account, lambda api: api.call("POST", "/behaviors", body))
    show(row, as_json, lambda: _table({row["id"]: row}))


@app.command("set", epilog="Example: riskrelay behavior set high_dlp --on --level high")
def set_one(
    behavior: Annotated[
        str, typer.Argument(autocompletion=complete_behavior, help="The behavior's id, such as high_dlp.")
    ],
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Default: unchanged.")] = None,
    level: Annotated[str | None, typer.Option(help="low, medium or high. Default: unchanged.")] = None,
    name: Annotated[str | None, typer.Option(help="A new name (custom behaviors only). Default: unchanged.")] = None,
    description: Annotated[
        str | None, typer.Option(help="A new description (custom behaviors only). Default: unchanged.")
    ] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Enable or disable a behavior, or change its risk level. A new level applies to recorded findings at once."""
    if behavior in BEHAVIORS and (name is not None or description is not None):
        fail(f"{behavior} is a built-in behavior; its name and description cannot be changed")

    def change(api: Api) -> Any:
        known = api.call("GET", "/behaviors")["behaviors"]
        now = known.get(behavior)
        if now is None:
            fail(f"unknown behavior {behavior}", *did_you_mean(behavior, known), "To list all: riskrelay behavior list")
        if behavior not in BEHAVIORS:
            wanted = {"enabled": enabled, "risk_level": level, "name": name, "description": description}
            return api.call("PUT", f"/behaviors/{quote(behavior, safe='')}", wanted)
        wanted = {
            "enabled": now["enabled"] if enabled is None else enabled,
            "risk_level": now["risk_level"] if level is None else level,
        }
        return api.call("PUT", "/behaviors", {"behaviors": {behavior: wanted}})["behaviors"][behavior]

    row = with_api(account, change)
    show(row, as_json, lambda: _table({behavior: row}))


@app.command("retire", epilog="Example: riskrelay behavior retire vpn_from_abroad")
def retire(behavior: _OwnArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Retire a behavior of the account's own. Its findings and the levels that follow from them are kept."""
    result = with_api(account, lambda api: api.call("DELETE", f"/behaviors/{quote(behavior, safe='')}"))
    show(result, as_json, lambda: say("Behavior {} retired. New findings of it are ignored.", behavior))


def _table(behaviors: dict[str, dict[str, Any]]) -> None:
    columns = ("enabled", "risk_level", "name")
    print_table([{"id": name, **{column: row[column] for column in columns}} for name, row in behaviors.items()])
