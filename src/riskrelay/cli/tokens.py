"""Commands on tokens, on the database itself: whoever can open it needs no token to make one."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from riskrelay.cli.database import on_database
from riskrelay.cli.output import JsonFlag, explained, fail, print_table, say, show
from riskrelay.core.credentials import ALL_SCOPES, COMMAND_LINE, Scope, StoredToken
from riskrelay.core.errors import NotFound
from riskrelay.core.integrations import AccountId

if TYPE_CHECKING:
    from riskrelay.ports import Outside

app = typer.Typer(help="Tokens: shown once, stored hashed.", no_args_is_help=True)

InstallationFlag = Annotated[bool, typer.Option("--installation", help="Good for every account.")]


@app.command("create", epilog="Example: riskrelay token create acme --scope read --days 30")
def create(
    account_id: Annotated[str | None, typer.Argument(help="The account it is good for; or --installation.")] = None,
    installation: InstallationFlag = False,
    name: Annotated[str, typer.Option(help="What it is for.")] = "token",
    scope: Annotated[list[Scope] | None, typer.Option(help="What it allows; several times; default all.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Valid so long; default for ever.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a token for one account or for the installation; it is shown only now."""
    from riskrelay.actions.create_token import create_token

    if installation == (account_id is not None):
        fail("name either an account or --installation")
    if not 1 <= len(name) <= 255 or not name.isprintable():
        fail("a name has 1 to 255 printable characters")
    owner = None if account_id is None else AccountId(account_id)
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with explained():
        try:
            token, stored = on_database(
                lambda outside: create_token(
                    outside, owner, COMMAND_LINE, name, scopes=scope or ALL_SCOPES, expires_at=expires_at
                ),
            )
        except NotFound:
            fail(f"there is no account {account_id}; create it: riskrelay account create {account_id}")
    show({**_row(stored), "token": token}, as_json, lambda: say("[bold green]{}[/]", token))


@app.command("list", epilog="Example: riskrelay token list --account acme")
def list_all(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    installation: Annotated[bool, typer.Option("--installation", help="Only the installation's own.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """List tokens and when they were last used: never the secrets."""
    if installation and account is not None:
        fail("name either --account or --installation")
    with explained():
        tokens = on_database(_all)
    if installation or account is not None:
        tokens = [token for token in tokens if token.account_id == account]
    rows = [_row(token) for token in tokens]
    show(rows, as_json, lambda: print_table(rows))


@app.command("revoke", epilog="Example: riskrelay token revoke 0b0c8a52-…")
def revoke(token_id: str, as_json: JsonFlag = False) -> None:
    """Make a token unknown at once."""
    with explained():
        try:
            on_database(lambda outside: _revoke(outside, token_id))
        except NotFound:
            fail(f"there is no token {token_id}; see: riskrelay token list")
    show({"revoked": token_id}, as_json, lambda: say("Token {} is revoked.", token_id))


async def _all(outside: "Outside") -> list[StoredToken]:
    return await outside.store.read_installation(lambda tx: tx.tokens.all())


async def _revoke(outside: "Outside", token_id: str) -> None:
    from riskrelay.actions.revoke_token import revoke_token

    for token in await _all(outside):
        if token.token_id == token_id:
            return await revoke_token(outside, token.account_id, COMMAND_LINE, token.token_id)
    raise NotFound


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
