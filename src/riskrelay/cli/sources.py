"""Commands for sources of signals."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer
import yaml

from riskrelay.cli.api import AccountOption, Api, ApiError, all_call_service, with_api
from riskrelay.cli.completing import complete_kind, complete_source
from riskrelay.cli.hints import in_commands
from riskrelay.cli.names import did_you_mean
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show
from riskrelay.cli.source_try import read_events, try_events
from riskrelay.core.sources.reasons import Reason, sentence
from riskrelay.core.sources.signals import Ignored, Refused
from riskrelay.core.sources.sources import CredentialKind

app = typer.Typer(help="Sources: the products that send signals.", no_args_is_help=True)

_BATCH = 1_000  # as many events as one transaction of the service records
_COUNTED = ("events", "findings", "activity", "duplicates", "level_changes")
_REASONED = ("exempt", "ignored", "refused")

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", autocompletion=complete_source, help="The source's name or id.")
]
MappingOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, readable=True, help="A mapping of your own, in YAML or JSON."),
]
SilenceOption = Annotated[
    int | None,
    typer.Option(
        "--silent-after", min=5, max=43_200, help="Minutes without an event after which the source is shown as silent."
    ),
]


@app.command("create", epilog="Example: riskrelay source create okta_system_log --name 'Okta production'")
def create(
    kind: Annotated[
        str,
        typer.Argument(
            autocompletion=complete_kind,
            help="The kind of the sender, such as okta_system_log, or custom. See `riskrelay source kinds`.",
        ),
    ],
    name: Annotated[str | None, typer.Option(help="A descriptive name. Default: the kind.")] = None,
    mapping: MappingOption = None,
    credential: Annotated[
        CredentialKind, typer.Option(help="How the sender authenticates: a header, a secret path, or a signature.")
    ] = CredentialKind.HEADER,
    key: Annotated[str | None, typer.Option(help="The signing secret, if the sender already has one.")] = None,
    silent_after: SilenceOption = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Create a source. The secret of its sender is shown only once."""
    body: dict[str, Any] = {"kind": kind, "name": name or kind, "credential": credential.value}
    if mapping is not None:
        body["mapping"] = _document(mapping)
    if key is not None:
        body["key"] = key
    if silent_after is not None:
        body["silent_after_seconds"] = silent_after * 60

    def send_one(api: Api) -> Any:
        try:
            return api.call("POST", "/sources", body)
        except ApiError as error:
            if error.is_about("/kind"):
                kinds = [one["kind"] for one in api.call("GET", "/sources/kinds")]
                fail(f"there is no kind {kind}", *did_you_mean(kind, kinds), "To list all: riskrelay source kinds")
            raise

    result = with_api(account, send_one)

    def render() -> None:
        issued = result["credential"]
        say("Source [bold]{}[/] was created.", result["id"])
        say("[bold]{:<12}[/] {}", "Send to", issued.get("events_url", result["events_url"]))
        if credential is CredentialKind.HEADER:
            say("[bold]{:<12}[/] Authorization: Bearer {}", "With header", issued["secret"])
        else:
            say("[bold]{:<12}[/] {}", "Secret", issued["secret"])
        say("{}", in_commands(result["next_step"]))

    show(result, as_json, render)


@app.command("list", epilog="Example: riskrelay source list --json")
def list_all(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List sources with their state and what became of their events in the last day."""
    rows = with_api(account, lambda api: api.call("GET", "/sources"))
    show(rows, as_json, lambda: print_table([_row(row) for row in rows], "No sources yet: riskrelay source create"))


@app.command("kinds", epilog="Example: riskrelay source kinds")
def kinds(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List the kinds of sources, and what each of them gives."""
    rows = with_api(account, lambda api: api.call("GET", "/sources/kinds"))
    shown = [{"name": row["kind"], "gives": ", ".join(row["gives"]), "description": row["description"]} for row in rows]
    show(rows, as_json, lambda: print_table(shown))


@app.command("show", epilog="Example: riskrelay source show 'Okta production'")
def show_one(source_id: SourceArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Show a source, and why its events were ignored or refused."""
    row = with_api(account, lambda api: api.call("GET", _path(source_id)))

    def render() -> None:
        for name, value in _row(row).items():
            say("[bold]{:<14}[/] {}", name, "never" if value is None else value)
        say("[bold]{:<14}[/] {}", "events_url", row["events_url"])
        for kind in ("ignored", "refused"):
            for reason, count in row["last_day"][kind].items():
                say("{:>8,} {} {}: {}", count, kind, reason, _meaning(reason))

    show(row, as_json, render)


@app.command("mapping", epilog="Example: riskrelay source mapping okta_system_log > mapping.yaml")
def mapping_in_use(source_id: SourceArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Print the mapping that a source uses, as YAML to start from."""
    document = with_api(account, lambda api: api.call("GET", f"{_path(source_id)}/mapping"))
    plain = msgspec.to_builtins(dict(document))
    show(plain, as_json, lambda: typer.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False))


@app.command("update", epilog="Example: riskrelay source update okta_system_log --mapping mapping.yaml")
def update(
    source_id: SourceArgument,
    name: Annotated[str | None, typer.Option(help="Default: unchanged.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Default: unchanged.")] = None,
    mapping: MappingOption = None,
    shipped: Annotated[bool, typer.Option("--shipped", help="Use the shipped mapping of the kind again.")] = False,
    silent_after: SilenceOption = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Change a source. A new mapping applies to new events."""
    if shipped and mapping is not None:
        fail("give either --mapping or --shipped")
    body: dict[str, Any] = {"name": name, "active": active}
    if mapping is not None or shipped:
        body["mapping"] = None if mapping is None else _document(mapping)
    if silent_after is not None:
        body["silent_after_seconds"] = silent_after * 60
    row = with_api(account, lambda api: api.call("PUT", _path(source_id), body))
    show(row, as_json, lambda: print_table([_row(row)]))


@app.command("delete", epilog="Example: riskrelay source delete okta_system_log")
def delete(source_id: SourceArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Delete a source with its credentials, counts and samples. Its findings are kept."""
    result = with_api(account, lambda api: api.call("DELETE", _path(source_id)))
    show(result, as_json, lambda: say("Source {} was deleted.", source_id))


@app.command("rotate", epilog="Example: riskrelay source rotate okta_system_log --keep-old")
def rotate(
    source_id: SourceArgument,
    credential: Annotated[CredentialKind, typer.Option(help="The kind of credential.")] = CredentialKind.HEADER,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Keep the other credentials valid until you rotate again.")
    ] = False,
    key: Annotated[str | None, typer.Option(help="The signing secret, if the sender already has one.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Replace the credential of a source's sender. The new secret is shown only once."""
    body: dict[str, Any] = {"kind": credential.value, "revoke_others": not keep_old}
    if key is not None:
        body["key"] = key
    result = with_api(account, lambda api: api.call("POST", f"{_path(source_id)}/credentials", body))
    show(result, as_json, lambda: say("New secret: {}", result.get("events_url", result["secret"])))


@app.command("send", epilog="Example: riskrelay source send okta_system_log events.ndjson")
def send(
    source_id: SourceArgument,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Events as the sender writes them.")
    ],
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Send a file of events to a source, and show the results. Events sent before are counted as duplicates."""
    events = read_events(file)
    unreadable = Counter(one.reason.value for one in events if isinstance(one, Refused | Ignored))
    readable = [one for one in events if not isinstance(one, Refused | Ignored)]

    def send_all(api: Api) -> dict[str, Any]:
        total = _no_events() | {"refused": unreadable}
        for start in range(0, len(readable), _BATCH):
            body = msgspec.json.encode(readable[start : start + _BATCH])
            _add(total, api.call("POST", f"{_path(source_id)}/events", body))
        return total

    result = with_api(account, send_all)
    show(result, as_json, lambda: _say_outcome(result))


@app.command("samples", epilog="Example: riskrelay source samples okta_system_log --json")
def samples(source_id: SourceArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List events of the last day that were ignored or refused. With --json the events themselves."""
    rows = with_api(account, lambda api: api.call("GET", f"{_path(source_id)}/samples"))
    shown = [{name: row[name] for name in ("at", "became", "reason", "pointer", "message")} for row in rows]
    show(rows, as_json, lambda: print_table(shown, "No samples: no event was ignored or refused in the last day."))


@app.command("replay", epilog="Example: riskrelay source replay okta_system_log")
def replay(source_id: SourceArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Process the samples as new events, for example after a change of the mapping."""
    result = with_api(account, lambda api: api.call("POST", f"{_path(source_id)}/samples/replay"))
    total = _no_events()
    _add(total, result)
    show(result, as_json, lambda: _say_outcome(total))


all_call_service(app)
app.command("try", epilog="Example: riskrelay source try --kind okta_system_log events.json")(try_events)


def _path(source_id: str) -> str:
    return f"/sources/{quote(source_id, safe='')}"


def _document(file: Path) -> Any:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        fail(f"{file} is not YAML: {error}")
    if not isinstance(document, dict):
        fail(f"{file} is not a mapping: it must be an object with kind and rules")
    return document


def _row(row: dict[str, Any]) -> dict[str, Any]:
    day = row["last_day"]
    return {
        "id": row["id"],
        "kind": row["kind"],
        "name": row["name"],
        "state": row["state"],
        "last_event_at": row["last_event_at"],
        "findings": day["findings"],
        "activity": day["activity"],
        "duplicates": day["duplicates"],
        "ignored": sum(day["ignored"].values()),
        "refused": sum(day["refused"].values()),
    }


def _no_events() -> dict[str, Any]:
    return {**dict.fromkeys(_COUNTED, 0), **{kind: Counter() for kind in _REASONED}}


def _add(total: dict[str, Any], outcome: dict[str, Any]) -> None:
    for name in _COUNTED:
        total[name] += outcome[name]
    for kind in _REASONED:
        total[kind].update({one["reason"]: one["count"] for one in outcome[kind]})


def _say_outcome(total: dict[str, Any]) -> None:
    say(
        "{:,} findings, {:,} activity, {:,} duplicates; {:,} risk levels changed.",
        *(total[name] for name in _COUNTED[1:]),
    )
    for kind in _REASONED:
        for reason, count in total[kind].most_common():
            say("{:>8,} {} {}: {}", count, kind, reason, _meaning(reason))


def _meaning(reason: str) -> str:
    try:
        return sentence(Reason(reason))
    except ValueError:
        return "a reason of another version"
