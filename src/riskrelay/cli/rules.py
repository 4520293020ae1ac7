"""Commands on the rules that combine findings, over the API."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.names import chosen
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show
from riskrelay.core.risk.durations import duration_of, duration_text

app = typer.Typer(
    help="Rules: combinations of findings that give a level, or revoke the user's sessions.", no_args_is_help=True
)

_RuleArgument = Annotated[str, typer.Argument(help="The rule's id or name.")]
_WhenOption = Annotated[
    str | None, typer.Option(help='A JSONata expression over the findings, or @FILE. Such as "$count(findings) >= 3".')
]
_WithinOption = Annotated[str | None, typer.Option(help="Use only findings of this period, such as 1d, 12h or 30min.")]
_LevelOption = Annotated[
    str | None, typer.Option(help="The level that the rule gives while it holds: low, medium or high; none.")
]
_RevokeOption = Annotated[
    bool | None, typer.Option("--revoke/--no-revoke", help="Send session-revoked when the rule begins to hold.")
]
_DescriptionOption = Annotated[str | None, typer.Option(help="One line about the rule.")]


@app.command("list", epilog="Example: riskrelay rule list --json")
def list_all(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List the rules, oldest first, with their failures."""
    found = with_api(account, lambda api: api.call("GET", "/rules"))
    show(found, as_json, lambda: _table(found))


@app.command("show", epilog='Example: riskrelay rule show "Two highs"')
def show_one(rule: _RuleArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Show a rule with its expression."""
    row = with_api(account, lambda api: _find(api, rule))
    show(row, as_json, lambda: _details(row))


@app.command(
    "add",
    epilog='Example: riskrelay rule add "Two highs" --when \'$count(findings[level="high"]) >= 2\' --revoke',
)
def add(
    name: Annotated[str, typer.Argument(help="Shown as the reason of the level changes that the rule causes.")],
    when: Annotated[str, typer.Option(help="A JSONata expression over the findings, or @FILE.")],
    within: Annotated[str, typer.Option(help="Use only findings of this period, such as 1d, 12h or 30min.")] = "1d",
    level: _LevelOption = None,
    revoke: _RevokeOption = False,
    description: _DescriptionOption = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Do not evaluate it yet.")] = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Add a rule. The users at risk are evaluated soon, and receivers are notified."""
    body = {
        "name": name,
        "description": description,
        "enabled": not disabled,
        "within_seconds": _seconds(within),
        "when": _text(when),
        "level": None if level == "none" else level,
        "session_revoked": bool(revoke),
    }
    row = with_api(account, lambda api: api.call("POST", "/rules", body))
    show(row, as_json, lambda: _table([row]))


@app.command("set", epilog='Example: riskrelay rule set "Two highs" --within 12h --off')
def set_one(
    rule: _RuleArgument,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    when: _WhenOption = None,
    within: _WithinOption = None,
    level: _LevelOption = None,
    revoke: _RevokeOption = None,
    description: _DescriptionOption = None,
    enabled: Annotated[bool | None, typer.Option("--on/--off", help="Whether the rule is evaluated.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Change a rule. Omitted options keep their values. A stopped rule is evaluated again."""
    given = {
        "name": name,
        "description": description,
        "enabled": enabled,
        "within_seconds": None if within is None else _seconds(within),
        "when": None if when is None else _text(when),
        "level": level,
        "session_revoked": revoke,
    }
    changes: dict[str, Any] = {member: value for member, value in given.items() if value is not None}
    if not changes:
        fail("give at least one option to change")
    if level == "none":
        changes["level"] = None

    def change(api: Api) -> Any:
        stored = _find(api, rule)
        return api.call("PUT", _path(stored["id"]), {**stored, **changes})

    row = with_api(account, change)
    show(row, as_json, lambda: _table([row]))


@app.command("remove", epilog='Example: riskrelay rule remove "Two highs"')
def remove(rule: _RuleArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Delete a rule. Levels that come from it are lowered within seconds."""
    result = with_api(account, lambda api: api.call("DELETE", _path(_find(api, rule)["id"])))
    show(result, as_json, lambda: say("Rule {} deleted.", rule))


@app.command("try", epilog="Example: riskrelay rule try --when '$count(findings) >= 2' --user kai@example.com")
def try_one(
    rule: Annotated[str | None, typer.Option(help="The id or name of a stored rule.")] = None,
    when: _WhenOption = None,
    within: _WithinOption = None,
    user: Annotated[str | None, typer.Option(help="The e-mail address of a user, whose findings it sees.")] = None,
    finding: Annotated[
        list[str] | None, typer.Option(help="BEHAVIOR or BEHAVIOR=AGO, such as high_dlp=2h; give it several times.")
    ] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show whether an expression holds for a user, or for findings that you give. Nothing is stored."""
    if (rule is None) == (when is None):
        raise typer.BadParameter("give either --rule or --when")
    if (user is None) == (not finding):
        raise typer.BadParameter("give either --user or --finding")

    def check(api: Api) -> Any:
        stored = {"when": _text(when or ""), "within_seconds": _seconds("1d")} if rule is None else _find(api, rule)
        return api.call(
            "POST",
            "/rules/try",
            {
                "when": stored["when"],
                "within_seconds": stored["within_seconds"] if within is None else _seconds(within),
                "user": user,
                "findings": [_sample(one) for one in finding] if finding else None,
            },
        )

    result = with_api(account, check)
    show(result, as_json, lambda: _result(result))


def _find(api: Api, rule: str) -> Any:
    """Return the rule with that name, id, or beginning of its id."""
    rows = api.call("GET", "/rules")
    rule_id = chosen("rule", rule, rows, names=["id", "name"], listing="riskrelay rule list")
    return next(row for row in rows if row["id"] == rule_id)


def _path(rule_id: str) -> str:
    return f"/rules/{quote(rule_id, safe='')}"


def _text(when: str) -> str:
    if not when.startswith("@"):
        return when
    try:
        return Path(when[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{when[1:]} cannot be read: {error}")


def _seconds(text: str) -> int:
    duration = duration_of(text)
    if duration is None:
        fail(f"{text} must be a time, such as 1d, 12h or 30min")
    return duration // timedelta(seconds=1)


def _sample(text: str) -> dict[str, Any]:
    behavior, _, ago = text.partition("=")
    return {"behavior": behavior, "seconds_ago": _seconds(ago) if ago else 0}


def _within(row: dict[str, Any]) -> str:
    return duration_text(timedelta(seconds=row["within_seconds"]))


def _effect(row: dict[str, Any]) -> str:
    effects = [row["level"]] if row["level"] else []
    return ", ".join([*effects, "session-revoked"] if row["session_revoked"] else effects)


def _state(row: dict[str, Any]) -> str:
    if not row["enabled"]:
        return "disabled"
    return f"stopped: {row['stopped']}" if row["stopped"] else "enabled"


def _table(rules: list[dict[str, Any]]) -> None:
    print_table(
        [
            {
                "id": one["id"],
                "name": one["name"],
                "state": _state(one),
                "within": _within(one),
                "gives": _effect(one),
                "failures": one["failures"]["count"],
            }
            for one in rules
        ],
        "No rules.",
    )


def _details(row: dict[str, Any]) -> None:
    _table([row])
    for text in (row["description"], row["when"], row["failures"]["last"]):
        if text:
            say("{}", text)


def _result(result: dict[str, Any]) -> None:
    if result["failure"]:
        say("The expression fails: {}", result["failure"])
    else:
        say("The rule holds." if result["holds"] else "The rule does not hold.")
    print_table(
        [
            {
                "behavior": one["behavior"],
                "level": one["risk_level"],
                "time": one["timestamp"],
                "used": "yes" if one["is_used"] else "",
            }
            for one in result["findings"]
        ],
        "It sees no findings.",
    )
