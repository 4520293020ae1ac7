"""Commands on how levels change with time, over the API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import typer

from riskrelay.cli import trials
from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show
from riskrelay.core.risk.durations import duration_of, duration_text

app = typer.Typer(help="Levels: how long findings count, and how risk levels end.", no_args_is_help=True)
app.command("try", epilog="Example: riskrelay level try --behavior imp_travel=low --days 30")(trials.try_rules)

_BehaviorArgument = Annotated[str, typer.Argument(help="The behavior's id, such as imp_travel.")]


@app.command("show", epilog="Example: riskrelay level show --json")
def show_times(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Show how long findings of each behavior count, and the shortest time between two events about a user."""
    result = with_api(account, lambda api: api.call("GET", "/levels"))
    show(result, as_json, lambda: _table(result))


@app.command("expire", epilog="Example: riskrelay level expire imp_travel --after 7d --then-low 2d")
def expire(
    behavior: _BehaviorArgument,
    after: Annotated[str, typer.Option(help="How long a finding counts, such as 7d, 12h, 30min or 45s.")],
    then_medium: Annotated[str, typer.Option(help="How long it counts as medium after that.")] = "0s",
    then_low: Annotated[str, typer.Option(help="How long it counts as low after that.")] = "0s",
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Let findings of a behavior expire. The change applies to recorded findings at once."""
    duration = {
        "expires_after_seconds": _seconds("--after", after),
        "medium_seconds": _seconds("--then-medium", then_medium),
        "low_seconds": _seconds("--then-low", then_low),
    }
    _change(account, lambda times: times["durations"].update({behavior: duration}), as_json=as_json)


@app.command("keep", epilog="Example: riskrelay level keep imp_travel")
def keep(behavior: _BehaviorArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Let findings of a behavior count until the user is reset. This is the default."""
    _change(account, lambda times: times["durations"].pop(behavior, None), as_json=as_json)


@app.command("between", epilog="Example: riskrelay level between 10min")
def between(
    time: Annotated[str, typer.Argument(help="The shortest time, such as 10min. 0s: events do not wait.")],
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Set the shortest time between two events about the same user. Higher levels and resets never wait."""
    seconds = _seconds("TIME", time)
    _change(account, lambda times: times.update(seconds_between_events=seconds), as_json=as_json)


def _change(account: str, change: Callable[[dict[str, Any]], Any], *, as_json: bool) -> None:
    def call(api: Api) -> Any:
        times = api.call("GET", "/levels")
        change(times)
        return api.call("PUT", "/levels", times)

    result = with_api(account, call)
    show(result, as_json, lambda: _table(result))


def _seconds(name: str, text: str) -> int:
    duration = duration_of(text)
    if duration is None:
        fail(f"{name} must be a duration such as 7d, 12h, 30min or 45s, not {text}")
    return duration // timedelta(seconds=1)


def _table(times: dict[str, Any]) -> None:
    columns = {"expires_after": "expires_after_seconds", "then_medium": "medium_seconds", "then_low": "low_seconds"}
    if times["durations"]:
        print_table(
            [
                {"behavior": behavior, **{name: _text(row[member]) for name, member in columns.items()}}
                for behavior, row in times["durations"].items()
            ]
        )
    else:
        say("No findings expire. Levels last until the user is reset.")
    say("Shortest time between two events about a user: {}.", _text(times["seconds_between_events"]))


def _text(seconds: int) -> str:
    return duration_text(timedelta(seconds=seconds))
