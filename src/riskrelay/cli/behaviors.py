"""Commands on behaviors, over the API."""

from typing import Annotated, Any

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, show
from riskrelay.core.risk.behaviors import BEHAVIORS

app = typer.Typer(help="Behaviors: kinds of risky activity, and the risk level of each.", no_args_is_help=True)


@app.command("list", epilog="Example: riskrelay behavior list")
def list_all(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List every behavior with the account's setting."""
    result = with_api(account, lambda api: api.call("GET", "/behaviors"))
    show(result["behaviors"], as_json, lambda: _table(result["behaviors"]))


@app.command("set", epilog="Example: riskrelay behavior set high_dlp --on --level high")
def set_one(
    behavior: Annotated[str, typer.Argument(help="The behavior's id, such as high_dlp.")],
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Default: unchanged.")] = None,
    level: Annotated[str | None, typer.Option(help="low, medium or high. Default: unchanged.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Enable or disable a behavior, or change its risk level. A new level applies to recorded findings at once."""
    if behavior not in BEHAVIORS:
        fail(f"unknown behavior {behavior}; `riskrelay behavior list` lists the behaviors")

    def change(api: Api) -> Any:
        now = api.call("GET", "/behaviors")["behaviors"][behavior]
        wanted = {
            "enabled": now["enabled"] if enabled is None else enabled,
            "risk_level": now["risk_level"] if level is None else level,
        }
        return api.call("PUT", "/behaviors", {"behaviors": {behavior: wanted}})

    row = with_api(account, change)["behaviors"][behavior]
    show(row, as_json, lambda: _table({behavior: row}))


def _table(behaviors: dict[str, dict[str, Any]]) -> None:
    columns = ("enabled", "risk_level", "name")
    print_table([{"id": name, **{column: row[column] for column in columns}} for name, row in behaviors.items()])
