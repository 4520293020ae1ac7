"""Commands on the credentials of an integration's receiver, over the API."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli.api import AccountOption, with_api
from riskrelay.cli.completing import complete_integration
from riskrelay.cli.output import JsonFlag, print_table, say, show
from riskrelay.core.ssf.access import CredentialKind, ReceiverScope

app = typer.Typer(help="Credentials, which an integration's receiver authenticates with.", no_args_is_help=True)

IntegrationArgument = Annotated[
    str,
    typer.Argument(
        metavar="INTEGRATION", autocompletion=complete_integration, help="The integration's reference id or id."
    ),
]


@app.command(
    "create", epilog="Example: riskrelay credential create okta-prod --kind oauth_client --name 'device manager'"
)
def create(
    integration_id: IntegrationArgument,
    kind: Annotated[
        CredentialKind, typer.Option(help="An OAuth client, or a token for receivers that do not support OAuth.")
    ] = CredentialKind.OAUTH_CLIENT,
    name: Annotated[str, typer.Option(help="A descriptive name.")] = "",
    scope: Annotated[
        list[ReceiverScope] | None,
        typer.Option(help="A scope to grant. Repeat the option for more. Default: all scopes."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Number of days until the credential expires. Default: never.")
    ] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Create a credential. Its secret is shown only once."""
    body: dict[str, Any] = {"kind": kind.value, "name": name}
    if scope:
        body["scopes"] = [word.value for word in scope]
    if days is not None:
        body["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    result = with_api(account, lambda api: api.call("POST", _path(integration_id), body))
    show(result, as_json, lambda: _details(result))


@app.command("list", epilog="Example: riskrelay credential list okta-prod --json")
def list_all(
    integration_id: IntegrationArgument, account: AccountOption = "default", as_json: JsonFlag = False
) -> None:
    """List an integration's credentials, without their secrets."""
    result = with_api(account, lambda api: api.call("GET", _path(integration_id)))
    show(result, as_json, lambda: _table(integration_id, result))


@app.command("revoke", epilog="Example: riskrelay credential revoke okta-prod 'device manager'")
def revoke(
    integration_id: IntegrationArgument,
    credential_id: Annotated[str, typer.Argument(metavar="CREDENTIAL", help="The credential's name or id.")],
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Revoke a credential and its access tokens at once."""
    path = f"{_path(integration_id)}/{quote(credential_id, safe='')}"
    result = with_api(account, lambda api: api.call("DELETE", path))
    show(result, as_json, lambda: say("Credential {} was revoked.", credential_id))


def _path(integration_id: str) -> str:
    return f"/integrations/{quote(integration_id, safe='')}/credentials"


def _table(integration_id: str, rows: list[dict[str, Any]]) -> None:
    columns = ("id", "kind", "name", "scopes", "created_at", "expires_at")
    shown = [
        {column: row[column] for column in columns}
        | {"scopes": " ".join(row["scopes"]), "expires_at": row["expires_at"] or "never"}
        for row in rows
    ]
    print_table(shown, f"No credentials yet. To create one: riskrelay credential create {integration_id}")


def _details(row: dict[str, Any]) -> None:
    for name, value in row.items():
        shown = " ".join(value) if isinstance(value, list) else value
        say("[bold]{:<15}[/] {}", name, shown)
