"""Commands that send findings, over the API."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from riskrelay.cli.api import AccountOption, Api, ApiError, calls_service, with_api
from riskrelay.cli.completing import complete_behavior
from riskrelay.cli.importing import Batch, ImportProgress, batches
from riskrelay.cli.names import did_you_mean
from riskrelay.cli.output import JsonFlag, errors, fail, say, show
from riskrelay.core.errors import member_name

_SHOWN_FAULTS = 10
_IMPORT_SECONDS = 60.0  # guessed: a thousand findings on a busy machine; a service that restarts meanwhile

app = typer.Typer(help="Findings: risky behaviors observed for users.", no_args_is_help=True)


@app.command("send", epilog="Example: riskrelay finding send high_dlp kai@example.com --name 'Kai Berg'")
def send(
    behavior: Annotated[
        str,
        typer.Argument(
            autocompletion=complete_behavior,
            help="The behavior's id, such as high_dlp. See `riskrelay behavior list`.",
        ),
    ],
    email: Annotated[str, typer.Argument(help="The user's e-mail address.")],
    name: Annotated[str | None, typer.Option(help="The user's name.")] = None,
    finding_id: Annotated[
        str | None, typer.Option("--id", help="The finding's id. A finding with the same id is stored once.")
    ] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Send one finding and show what it changed."""
    body: dict[str, Any] = {"behavior": behavior, "user": {"email": email}}
    if name is not None:
        body["user"]["name"] = name
    if finding_id is not None:
        body["id"] = finding_id

    def send_one(api: Api) -> Any:
        try:
            return api.call("POST", "/findings", body)
        except ApiError as error:
            if error.is_about("/behavior"):
                fail(*error.sentences, *_behaviors_like(api, behavior))
            raise

    result = with_api(account, send_one)

    def render() -> None:
        if result["ignored"]:
            say(
                "Ignored: {} is disabled in this account. To enable it: riskrelay behavior set {} --on",
                behavior,
                behavior,
            )
        elif result["duplicates"]:
            say("A finding with this id already exists. Nothing was changed.")
        elif not result["changes"]:
            say("Accepted. The user's risk level did not change.")
        for change in result["changes"]:
            before, after = change["previous_level"] or "none", change["current_level"] or "none"
            say("{}: {} → [bold]{}[/]", change["email"], before, after)

    show(result, as_json, render)


@app.command("import", epilog="Example: riskrelay finding import findings.ndjson")
@calls_service(_IMPORT_SECONDS)
def import_file(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="An NDJSON file of any size.")
    ],
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Send a file of findings, one JSON object per line. To resume after an interruption, run the command again.

    Members of a line: "behavior" and "user" with "email" are required; "name" of the user, "timestamp" (RFC 3339), "id"
    (a finding with the same id is stored once) and "details" (an object) are optional. Blank lines are skipped.

    \b
    {"behavior": "high_dlp", "user": {"email": "kai@example.com"}}
    {"behavior": "imp_travel", "user": {"email": "ana@example.com",
     "name": "Ana"}, "timestamp": "2026-03-17T08:00:00Z", "id": "42"}

    The second finding is shown in two lines, and is one line of the file.
    """
    progress = ImportProgress.of(file)
    if progress.offset and not as_json:
        say("Resuming after line {:,}.", progress.line)
    try:
        with_api(account, lambda api: _send_all(api, file, progress))
    except KeyboardInterrupt:
        say("\nStopped after line {:,}. To resume, run the same command again.", progress.line, to=errors)
        raise typer.Exit(130) from None
    progress.delete()
    show(progress.totals(), as_json, lambda: say("{}", _summary(progress)))


def _behaviors_like(api: Api, behavior: str) -> list[str]:
    try:
        return did_you_mean(behavior, api.call("GET", "/behaviors")["behaviors"])
    except ApiError:  # a token that only sends findings can't read
        return []


def _send_all(api: Api, file: Path, progress: ImportProgress) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as bar:
        task = bar.add_task("Sending findings", total=progress.size, completed=progress.offset)
        for batch in batches(file, progress):
            progress.advance(batch, _send(api, batch))
            bar.update(task, completed=progress.offset, description=f"{progress.line:,} lines")


def _send(api: Api, batch: Batch) -> dict[str, Any]:
    try:
        result: dict[str, Any] = api.call("POST", "/findings", batch.body, content_type="application/x-ndjson")
    except ApiError as error:
        if error.status != 400:
            raise
        faults = [_in_file(fault, batch) for fault in error.errors]
        more = [] if len(faults) <= _SHOWN_FAULTS else [f"and {len(faults) - _SHOWN_FAULTS:,} more"]
        fail("no finding of this batch was stored:", *faults[:_SHOWN_FAULTS], *more)
    return result


def _in_file(fault: dict[str, Any], batch: Batch) -> str:
    """Return the message of a batch's fault, with its line in the file."""
    pointer = fault["source"]["pointer"]
    place, _, member = pointer.removeprefix("/").partition("/")
    if not place.isdigit():
        return f"the file: {fault['message']}"
    message = fault["message"].removeprefix(f"{member_name(pointer)}: ")  # which counts items, not lines of the file
    name = member_name(f"/{member}") if member else ""
    return f"line {batch.line_numbers[int(place)]:,}{f', {name}' if name else ''}: {message}"


def _summary(progress: ImportProgress) -> str:
    return (
        f"{progress.accepted:,} accepted, {progress.duplicates:,} duplicates, {progress.ignored:,} ignored "
        f"(behavior disabled); {progress.changes:,} risk levels changed."
    )
