"""Commands on the account's detection settings, over the API."""

from typing import Annotated, Any

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, show

app = typer.Typer(help="Detection: settings for impossible travel and other activity.", no_args_is_help=True)

_WORDS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


@app.command("show", epilog="Example: riskrelay detection show --json")
def show_settings(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Show the settings."""
    result = with_api(account, lambda api: api.call("GET", "/detection"))
    show(result, as_json, lambda: _table(result))


@app.command("set", epilog="Example: riskrelay detection set min_km=400 known_places_days=30 lateness_hours=24")
def set_settings(
    settings: Annotated[list[str], typer.Argument(help="NAME=VALUE, names as `riskrelay detection show` lists them.")],
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Change some of the settings; the others stay as they are."""
    given = [one.partition("=") for one in settings]

    def change(api: Api) -> Any:
        body = api.call("GET", "/detection")
        for name, _, value in given:
            members = body if name == "lateness_hours" else body["imp_travel"]
            if name not in members or not value:
                names = ", ".join([*body["imp_travel"], "lateness_hours"])
                fail(f"{name}: unknown setting, or no value", f"Settings: {names}.")
            members[name] = _value(name, value, is_flag=isinstance(members[name], bool))
        return api.call("PUT", "/detection", body)

    result = with_api(account, change)
    show(result, as_json, lambda: _table(result))


def _value(name: str, value: str, *, is_flag: bool) -> int | bool:
    if is_flag:
        if value.lower() not in _WORDS:
            fail(f"{name} must be on or off, not {value}")
        return _WORDS[value.lower()]
    try:
        return int(value)
    except ValueError:
        fail(f"{name} must be a whole number, not {value}")


def _table(detection: dict[str, Any]) -> None:
    members = {**detection["imp_travel"], "lateness_hours": detection["lateness_hours"]}
    print_table(
        [
            {"setting": name, "value": ("off", "on")[value] if isinstance(value, bool) else f"{value:,}"}
            for name, value in members.items()
        ]
    )
