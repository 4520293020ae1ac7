"""Commands that show the status of delivery and control it, over the API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli.api import AccountOption, Api, ApiError, with_api
from riskrelay.cli.completing import complete_integration
from riskrelay.cli.output import JsonFlag, errors, say, show
from riskrelay.cli.waiting import WaitFlag, wait_for

IntegrationArgument = Annotated[
    str,
    typer.Argument(
        metavar="INTEGRATION", autocompletion=complete_integration, help="The integration's reference id or id."
    ),
]


_VERIFY_SECONDS = 60.0  # chosen: several attempts; a receiver that is down isn't waited for


def register(app: typer.Typer) -> None:
    """Add the commands to those on integrations."""
    app.command("health", epilog="Example: riskrelay integration health okta-prod")(health)
    app.command("pause", epilog="Example: riskrelay integration pause okta-prod --reason maintenance")(pause)
    app.command("resume", epilog="Example: riskrelay integration resume okta-prod")(resume)
    app.command("limit", epilog="Example: riskrelay integration limit okta-prod --pushes-per-second 20")(limit)
    app.command("verify", epilog="Example: riskrelay integration verify okta-prod")(verify)


def health(
    integration_id: Annotated[
        str | None,
        typer.Argument(
            metavar="INTEGRATION",
            autocompletion=complete_integration,
            help="The integration's reference id or id. Default: all.",
        ),
    ] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show the status of delivery, its cause, and what happens next."""
    path = "/health" if integration_id is None else _path(integration_id, "health")
    result = with_api(account, lambda api: api.call("GET", path))
    rows = result if isinstance(result, list) else [result]
    show(result, as_json, lambda: _render(rows))


def pause(
    integration_id: IntegrationArgument,
    reason: Annotated[str | None, typer.Option(help="A reason, shown to operators.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Pause delivery. Queued and new events are kept until they expire."""
    body = {"reason": reason}
    row = with_api(account, lambda api: api.call("POST", _path(integration_id, "pause"), body))
    show(row, as_json, lambda: _render([row]))


def resume(integration_id: IntegrationArgument, account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """Resume delivery, and attempt waiting events at once."""
    row = with_api(account, lambda api: api.call("POST", _path(integration_id, "resume")))
    show(row, as_json, lambda: _render([row]))


def limit(
    integration_id: IntegrationArgument,
    pushes_per_second: Annotated[int | None, typer.Option(min=1, max=10_000, help="Default: no limit.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=256, help="Default: the service's limit.")] = None,
    coalesce: Annotated[
        bool, typer.Option("--coalesce", help="Send one event for all waiting level changes of a user. Default: off.")
    ] = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Set the delivery limits of a receiver. Omitting a limit removes it."""
    body = {
        "pushes_per_second": pushes_per_second,
        "concurrency": concurrency,
        "coalesce_level_changes": coalesce,
    }
    row = with_api(account, lambda api: api.call("PUT", _path(integration_id, "limits"), body))
    show(row, as_json, lambda: _render([row]))


def verify(
    integration_id: IntegrationArgument,
    state: Annotated[str | None, typer.Option(help="A value that the verification events contain.")] = None,
    wait: WaitFlag = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Send a verification event on each stream. To see the result, use `riskrelay delivery show`."""
    body = {"state": state}

    def send(api: Api) -> tuple[Any, list[dict[str, Any]]]:
        queued = api.call("POST", _path(integration_id, "verify"), body)
        return queued, _settled(api, integration_id, queued["deliveries"]) if wait else []

    result, settled = with_api(account, send)

    def render() -> None:
        for row in settled:
            reason = f": {row['reason']}" if row["reason"] else ""
            said = "[bold]{}[/]{}. Details: riskrelay delivery show {} {}"
            say(said, row["state"], reason, integration_id, row["jti"])
        for sent in [] if wait else result["deliveries"]:
            say("Queued: riskrelay delivery show {} {}", integration_id, sent["jti"])
        if not result["deliveries"]:
            say("The integration has no enabled stream: the receiver has not created one, or has disabled it.")

    show({"deliveries": settled} if wait else result, as_json, render)
    if wait and (not settled or any(row["state"] != "delivered" for row in settled)):
        raise typer.Exit(1)


def _settled(api: Api, integration_id: str, queued: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Wait until no event of *queued* is pending."""
    if not queued:
        return []
    return wait_for(
        lambda: [api.call("GET", _path(integration_id, f"deliveries/{one['jti']}")) for one in queued],
        is_over=lambda rows: all(row["state"] != "pending" for row in rows),
        counts=lambda rows: (sum(row["state"] != "pending" for row in rows), len(rows)),
        label="Waiting for the receiver",
        seconds=_VERIFY_SECONDS,
    )


def say_warnings(row: dict[str, Any]) -> None:
    """Print the problems of an integration's URLs from its health."""
    for warning in row["warnings"]:
        say("  [yellow]Warning:[/] {}", warning)


def say_warnings_of_new(account: str, integration_id: str) -> None:
    """Print the warnings about an integration that was just created. The command has succeeded whether or not they can
    be read: a repeat after an exit code of 1 would create a second integration."""
    try:
        with Api(account) as api:
            row = api.call("GET", _path(integration_id, "health"))
    except ApiError as error:
        say("The integration was created, but its warnings could not be read: {}", error, to=errors)
    except typer.Exit:  # the service stopped answering; `Api` has printed why
        say("The integration was created, but its warnings could not be read.", to=errors)
    else:
        say_warnings(row)


def _path(integration_id: str, verb: str) -> str:
    return f"/integrations/{quote(integration_id, safe='')}/{verb}"


def _render(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        say("[bold]{}[/]", row["integration_id"])
        say_warnings(row)
        for stream in row["streams"]:
            say("  {}: {}", stream["condition"], stream["why"])
            say("  {}", stream["next"])
            counts = ", ".join(f"{count:,} {state}" for state, count in stream["ledger"].items())
            say("  {}", counts)
        for refused in row["refused_requests"]:
            say("  {}", refused["message"])
        if not row["streams"]:
            say("  No streams: the receiver has not created one yet.")
