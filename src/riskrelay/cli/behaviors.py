"""Commands on behaviors, over the API."""

from typing import Annotated, Any

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, show
from riskrelay.core.risk.behaviors import BEHAVIORS

app = typer.Typer(help="Behaviors: what counts as risky conduct, and how much.", no_args_is_help=True)


@app.command("list", epilog="Example: riskrelay behavior list")
def list_all(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List every behavior with the account's setting."""
    result = with_api(account, lambda api: api.call("GET", "/behaviors"))
    show(result["behaviors"], as_json, lambda: _table(result["behaviors"]))


@app.command("set", epilog="Example: riskrelay behavior set high_dlp --on --level high")
def set_one(
    behavior: Annotated[str, typer.Argument(help="Its id.")],
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Default: stays.")] = None,
    level: Annotated[str | None, typer.Option(help="low, medium or high; default: stays.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Switch a behavior on or off, or change its level; users who triggered it move at once."""
    if behavior not in BEHAVIORS:
        fail(f"there is no behavior {behavior}; `riskrelay behavior list` shows them")

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
