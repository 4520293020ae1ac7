"""The command that tries changed rules on the stored findings, over the API."""

from datetime import timedelta
from typing import Annotated, Any

import typer

from riskrelay.cli.api import AccountOption, Api, calls_service, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show
from riskrelay.core.risk.durations import duration_of

_SECONDS = 330.0  # longer than the service takes at most
_LEVELS = ("high", "medium", "low", "none")
_REASON = "A trial."


@calls_service(_SECONDS)
def try_rules(
    days: Annotated[int, typer.Option(min=1, max=400, help="Of how many days.")] = 30,
    behavior: Annotated[
        list[str] | None, typer.Option(help="ID=LEVEL or ID=off: another level, or a disabled behavior.")
    ] = None,
    expire: Annotated[list[str] | None, typer.Option(help="ID=TIME such as imp_travel=7d; ID=never.")] = None,
    exception: Annotated[
        list[str] | None, typer.Option(help="An e-mail address, a pattern, or group:NAME that would be excepted.")
    ] = None,
    cap: Annotated[str | None, typer.Option(help="Cap excepted users at this level. Default: ignore all.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="The id of an exception that would be deleted.")] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="LEVEL TIME EXPRESSION: a rule that would be added, such as 'medium 1d $count(findings) > 2'."
        ),
    ] = None,
    without_rule: Annotated[list[str] | None, typer.Option(help="The id of a rule that would be deleted.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show what a change would have done in the last days, and what it would do now. Nothing is stored."""
    result = with_api(
        account,
        lambda api: api.call(
            "POST",
            "/levels/try",
            {
                "days": days,
                "behaviors": _behaviors(api, behavior or ()),
                "levels": _levels(api, expire) if expire else None,
                "add_exceptions": [_exception(one, cap) for one in exception or ()],
                "remove_exceptions": list(without or ()),
                "add_rules": [_rule(one) for one in rule or ()],
                "remove_rules": list(without_rule or ()),
            },
        ),
    )
    show(result, as_json, lambda: _tables(result))


def _behaviors(api: Api, changes: list[str] | tuple[()]) -> dict[str, Any]:
    if not changes:
        return {}
    stored = api.call("GET", "/behaviors")["behaviors"]
    wanted: dict[str, Any] = {}
    for one in changes:
        name, _, level = one.partition("=")
        if name not in stored or not level:
            fail(f"{one} must be ID=LEVEL or ID=off; `riskrelay behavior list` lists the behaviors")
        now = stored[name]
        wanted[name] = {
            "enabled": now["enabled"] and level != "off",
            "risk_level": now["risk_level"] if level == "off" else level,
        }
    return wanted


def _levels(api: Api, changes: list[str]) -> Any:
    times = api.call("GET", "/levels")
    for one in changes:
        name, _, text = one.partition("=")
        if text == "never":
            times["durations"].pop(name, None)
            continue
        duration = duration_of(text)
        if duration is None:
            fail(f"{one} must be ID=TIME, such as imp_travel=7d, or ID=never")
        times["durations"][name] = {"expires_after_seconds": duration // timedelta(seconds=1)}
    return times


def _exception(named: str, cap: str | None) -> dict[str, Any]:
    if named.startswith("group:"):
        covered = {"group": named.removeprefix("group:")}
    else:
        covered = {"pattern": named} if "*" in named else {"user": named}
    return {**covered, "effect": "ignore" if cap is None else "cap", "level": cap, "reason": _REASON}


def _rule(text: str) -> dict[str, Any]:
    level, _, rest = text.strip().partition(" ")
    time, _, when = rest.strip().partition(" ")
    duration = duration_of(time)
    if duration is None or not when.strip():
        fail(f"{text} must be LEVEL TIME EXPRESSION, such as: medium 1d $count(findings) >= 3")
    return {
        "name": "Tried",
        "level": None if level == "none" else level,
        "session_revoked": level == "none",
        "within_seconds": duration // timedelta(seconds=1),
        "when": when.strip(),
    }


def _tables(trial: dict[str, Any]) -> None:
    past, now = trial["past"], trial["now"]
    before, after = past["before"], past["after"]
    days, findings, users = (
        _counted(past[member], noun)
        for member, noun in (("days", "day"), ("findings", "finding"), ("different_users", "user"))
    )
    say("Last {}: {}. {} would have had another level.", days, findings, users)
    print_table(
        [
            {
                "level": level,
                "users before": before["users"][level],
                "users after": after["users"][level],
                "events before": before["events"][level],
                "events after": after["events"][level],
            }
            for level in _LEVELS
        ]
    )
    if before["sessions_revoked"] or after["sessions_revoked"]:
        say("Sessions revoked: {:,} times before, {:,} after.", before["sessions_revoked"], after["sessions_revoked"])
    _examples(past["examples"])
    say("Now: {} would change.", _counted(now["different_users"], "user"))
    print_table([{"level": level, "users": now["before"][level], "after": now["after"][level]} for level in _LEVELS])
    _examples(now["examples"])
    if trial["left_out_rules"]:
        say("Not included: {}.", ", ".join(trial["left_out_rules"]))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _examples(examples: list[dict[str, Any]]) -> None:
    if examples:
        columns = ("email", "before", "after", "user_id")
        print_table([{column: one[column] for column in columns} for one in examples])
