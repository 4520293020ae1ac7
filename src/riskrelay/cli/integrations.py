"""Commands on integrations, over the API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from riskrelay.cli import health
from riskrelay.cli.api import AccountOption, with_api
from riskrelay.cli.completing import complete_integration
from riskrelay.cli.output import JsonFlag, print_table, say, show
from riskrelay.core.integrations import IntegrationType
from riskrelay.core.keys import Algorithm
from riskrelay.core.products import DEFAULT_PRODUCT, PRODUCTS

app = typer.Typer(help="Integrations: connections from an account to receiver products.", no_args_is_help=True)
health.register(app)

_TYPES_HELP = "; ".join(f"{name}: {row.summary}" for name, row in PRODUCTS.items()) + "."
_COLUMNS = ("id", "integration_type", "reference_id", "tenant_url", "active")


@app.command("create", epilog="Example: riskrelay integration create https://acme.okta.com --reference okta-prod")
def create(
    tenant_url: Annotated[str, typer.Argument(help="The receiver's base URL.")],
    integration_type: Annotated[
        IntegrationType, typer.Option("--type", help=_TYPES_HELP)
    ] = DEFAULT_PRODUCT.integration_type,
    reference: Annotated[str | None, typer.Option(help="Your id for the integration, unique in the account.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Create an integration."""
    body: dict[str, Any] = {"integration_type": integration_type.value, "tenant_url": tenant_url}
    if reference is not None:
        body["reference_id"] = reference
    result = with_api(account, lambda api: api.call("POST", "/integrations", body))

    def render() -> None:
        _details(result)
        say("\nConfigure the receiver with this URL:\n  [bold]{}[/]", result["well_known_url"])
        health.say_warnings_of_new(account, result["id"])

    show(result, as_json, render)


@app.command("list", epilog="Example: riskrelay integration list --json")
def list_all(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List the account's integrations, oldest first."""
    result = with_api(account, lambda api: api.call("GET", "/integrations"))
    show(result, as_json, lambda: _table(result))


@app.command("get", epilog="Example: riskrelay integration get okta-prod")
def get(
    integration_id: Annotated[
        str | None,
        typer.Argument(
            metavar="INTEGRATION", autocompletion=complete_integration, help="The integration's reference id or id."
        ),
    ] = None,
    reference: Annotated[str | None, typer.Option(help="The integration's reference id.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show one integration."""
    if (integration_id is None) == (reference is None):
        raise typer.BadParameter("name the integration, either as an argument or by --reference")
    path = f"/reference_id/{quote(reference, safe='')}" if reference else f"/{quote(str(integration_id), safe='')}"
    result = with_api(account, lambda api: api.call("GET", "/integrations" + path))
    show(result, as_json, lambda: _details(result))


@app.command("update", epilog="Example: riskrelay integration update okta-prod https://acme.okta.com --inactive")
def update(
    integration_id: health.IntegrationArgument,
    tenant_url: Annotated[str, typer.Argument(help="The receiver's base URL.")],
    reference: Annotated[str | None, typer.Option(help="A new reference id. Default: unchanged.")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Default: unchanged.")] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Update an integration, and attempt its waiting events at once."""
    body = {"tenant_url": tenant_url, "reference_id": reference, "active": active}
    path = f"/integrations/{quote(integration_id, safe='')}"
    result = with_api(account, lambda api: api.call("PUT", path, body))
    show(result, as_json, lambda: _details(result))


@app.command("settings", epilog="Example: riskrelay integration settings okta-prod --signing-algorithm ES256")
def settings(
    integration_id: health.IntegrationArgument,
    signing_algorithm: Annotated[
        Algorithm | None, typer.Option(help="Algorithm that signs new SETs. Default: unchanged.")
    ] = None,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show an integration's settings, or change them. A change requires a token with the operate scope."""
    path = f"/integrations/{quote(integration_id, safe='')}/settings"
    if signing_algorithm is None:
        result = with_api(account, lambda api: api.call("GET", path))
    else:
        body = {"signing_algorithm": signing_algorithm.value}
        result = with_api(account, lambda api: api.call("PUT", path, body))
    show(result, as_json, lambda: _details(result))


_TLS_EXAMPLE = "Example: riskrelay integration tls okta-prod --ca ca.pem --certificate client.pem --key client.key"


@app.command("tls", epilog=_TLS_EXAMPLE)
def tls(
    integration_id: health.IntegrationArgument,
    ca: Annotated[
        typer.FileText | None, typer.Option(help="PEM file with the certificate authorities to trust.")
    ] = None,
    certificate: Annotated[typer.FileText | None, typer.Option(help="PEM file with the client certificate.")] = None,
    key: Annotated[
        typer.FileText | None, typer.Option(help="PEM file with the client certificate's private key, not encrypted.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove all of them.")] = False,
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Show or replace the certificates for pushes to an integration. A change requires the operate scope."""
    path = f"/integrations/{quote(integration_id, safe='')}/tls"
    given = {"ca": ca, "certificate": certificate, "key": key}
    body = {name: file.read() for name, file in given.items() if file is not None}
    if remove and body:
        raise typer.BadParameter("give either files or --remove")
    method = "DELETE" if remove else "PUT" if body else "GET"
    result = with_api(account, lambda api: api.call(method, path, body or None))

    def render() -> None:
        _certificates("Trusted authorities", result["ca"], "those of the service's operating system")
        _certificates("Client certificate", result["certificate"], "none")

    show(result, as_json, render)


@app.command("delete", epilog="Example: riskrelay integration delete okta-prod")
def delete(
    integration_id: health.IntegrationArgument, account: AccountOption = "default", as_json: JsonFlag = False
) -> None:
    """Delete an integration. Undelivered events are cancelled."""
    path = f"/integrations/{quote(integration_id, safe='')}"
    result = with_api(account, lambda api: api.call("DELETE", path))
    show(result, as_json, lambda: say("Integration {} was deleted.", integration_id))


def _table(rows: list[dict[str, Any]]) -> None:
    without = "No integrations yet. To create one: riskrelay integration create https://example.okta.com"
    print_table([{column: row[column] for column in _COLUMNS} for row in rows], without)


def _certificates(title: str, rows: list[dict[str, Any]], without: str) -> None:
    if not rows:
        say("[bold]{}[/]: {}", title, without)
        return
    for row in rows:
        until = f"valid until {row['not_after']}, SHA-256 {row['fingerprint_sha256']}"
        say("[bold]{}[/]: {}, {}", title, row["subject"], until)


def _details(row: dict[str, Any]) -> None:
    for name, value in row.items():
        say("[bold]{:<17}[/] {}", name, value)
