"""Commands on tokens. They use the database directly, so that they need no token."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskrelay.cli.database import on_database
from riskrelay.cli.names import chosen
from riskrelay.cli.output import JsonFlag, explained, fail, print_table, say, show
from riskrelay.core.credentials import ALL_SCOPES, COMMAND_LINE, Scope, StoredToken
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId

if TYPE_CHECKING:
    from riskrelay.ports import Services

app = typer.Typer(
    help="Tokens for the API and the console. A token is shown once and stored as a hash.", no_args_is_help=True
)

InstallationFlag = Annotated[bool, typer.Option("--installation", help="Create a token for all accounts.")]


@app.command("create", epilog="Example: riskrelay token create acme --scope read --days 30")
def create(
    account_id: Annotated[
        str | None,
        typer.Argument(help="The account that the token gives access to. Alternatively, use --installation."),
    ] = None,
    installation: InstallationFlag = False,
    name: Annotated[str, typer.Option(help="A descriptive name.")] = "token",
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="A permission to grant. Repeat the option for more. Default: all permissions."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="Number of days until the token expires. Default: never.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a token for one account or for the installation. It is shown only once."""
    from riskrelay.actions.tokens import create_token

    if installation == (account_id is not None):
        fail("give either an account or --installation")
    if not 1 <= len(name) <= 255 or not name.isprintable():
        fail("a name must have 1 to 255 printable characters")
    owner = None if account_id is None else AccountId(account_id)
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with explained():
        try:
            token, stored = on_database(
                lambda services: create_token(
                    services, owner, COMMAND_LINE, name, scopes=scope or ALL_SCOPES, expires_at=expires_at
                ),
            )
        except NotFound:
            fail(f"account {account_id} not found; to create it: riskrelay account create {account_id}")
    show({**_row(stored), "token": token}, as_json, lambda: say("[bold green]{}[/]", token))


@app.command("list", epilog="Example: riskrelay token list --account acme")
def list_all(
    account: Annotated[str | None, typer.Option(help="Show only this account's tokens.")] = None,
    installation: Annotated[bool, typer.Option("--installation", help="Show only installation tokens.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List tokens and when they were last used, without their secrets."""
    if installation and account is not None:
        fail("give either --account or --installation")
    with explained():
        tokens = on_database(_all)
    if installation or account is not None:
        tokens = [token for token in tokens if token.account_id == account]
    rows = [_row(token) for token in tokens]
    show(rows, as_json, lambda: print_table(rows))


@app.command("revoke", epilog="Example: riskrelay token revoke ci")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="TOKEN", help="The token's name or id.")],
    as_json: JsonFlag = False,
) -> None:
    """Revoke a token at once."""
    with explained():
        try:
            revoked = on_database(lambda services: _revoke(services, token_id))
        except NotFound:
            fail(f"token {token_id} not found; see `riskrelay token list`")
    show({"revoked": revoked}, as_json, lambda: say("Token {} was revoked.", token_id))


async def _all(services: "Services") -> list[StoredToken]:
    return await services.store.read_installation(lambda tx: tx.tokens.all())


async def _revoke(services: "Services", given: str) -> str:
    from riskrelay.actions.tokens import revoke_token

    tokens = await _all(services)
    rows = [{"id": token.token_id, "name": token.name} for token in tokens]
    token_id: str = chosen("token", given, rows, names=["id", "name"], listing="riskrelay token list")
    (token,) = [token for token in tokens if token.token_id == token_id]
    await revoke_token(services, token.account_id, COMMAND_LINE, token.token_id)
    return token.token_id


def _row(token: StoredToken) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "account_id": token.account_id,
        "name": token.name,
        "scopes": " ".join(sorted(token.scopes)),
        "created_at": token.created_at.isoformat(timespec="seconds"),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(timespec="seconds"),
        "last_used_at": None if token.last_used_at is None else token.last_used_at.isoformat(timespec="seconds"),
    }
