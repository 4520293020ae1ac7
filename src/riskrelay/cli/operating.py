"""Commands that work on the installation itself: init, serve, worker, migrate, account, token."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table

from riskrelay import wiring
from riskrelay.actions.create_account import create_account
from riskrelay.actions.create_token import create_token
from riskrelay.actions.initialise import initialise
from riskrelay.actions.revoke_token import revoke_token
from riskrelay.cli import serving
from riskrelay.cli.logs import configure_logs
from riskrelay.cli.output import JsonFlag, console, explained, fail, show
from riskrelay.credentials import ALL_SCOPES, COMMAND_LINE, Scope, StoredToken, TokenId
from riskrelay.errors import NotFound
from riskrelay.integrations import AccountId
from riskrelay.outbound.sealing import new_master_key
from riskrelay.outbound.signer import new_signing_key
from riskrelay.ports import Outside
from riskrelay.settings import Settings, read_settings

T = TypeVar("T")

account_app = typer.Typer(help="Accounts: the isolation boundary.", no_args_is_help=True)
token_app = typer.Typer(help="Tokens: shown once, stored hashed.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: riskrelay init --account acme --json")(init)
    app.command(epilog="Example: RISKRELAY_PUBLIC_URL=https://risk.example.com riskrelay serve --host 0.0.0.0")(serve)
    app.command(epilog="Example: RISKRELAY_DATABASE_URL=postgresql://db/riskrelay riskrelay worker")(worker)
    app.command(epilog="Example: riskrelay migrate")(migrate)
    account_app.command("create", epilog="Example: riskrelay account create acme")(account_create)
    account_app.command("list", epilog="Example: riskrelay account list --json")(account_list)
    token_app.command("create", epilog="Example: riskrelay token create acme --scope read --days 30")(token_create)
    token_app.command("list", epilog="Example: riskrelay token list --account acme")(token_list)
    token_app.command("revoke", epilog="Example: riskrelay token revoke 0b0c8a52-…")(token_revoke)
    app.add_typer(account_app, name="account")
    app.add_typer(token_app, name="token")


def init(
    account: Annotated[str, typer.Option(help="The first account's id.")] = "default",
    as_json: JsonFlag = False,
) -> None:
    """Create the database, the first signing key, the first account and its token. Safe to run again."""
    with explained():
        settings = read_settings()
        made_key = _make_key_file(settings)
        asyncio.run(wiring.migrate(settings))
        master_key = wiring.read_master_key(settings)
        new_key = partial(new_signing_key, master_key, datetime.now(UTC))
        token = _run(settings, lambda outside: initialise(outside, AccountId(account), COMMAND_LINE, new_key))

    def render() -> None:
        if made_key:
            console.print(f"Master key written to [bold]{wiring.key_file(settings)}[/]: keep a copy, never commit it.")
        if token is None:
            console.print(f"Account [bold]{account}[/] is there already; nothing was changed.")
            console.print(f"A new token: riskrelay token create {account}")
            return
        console.print(f"Account [bold]{account}[/] is ready. Its token, shown only now:\n")
        console.print(f"  [bold green]{token}[/]\n")
        console.print("Next: riskrelay serve")

    show({"account_id": account, "token": token}, as_json, render)


def _make_key_file(settings: Settings) -> bool:
    """Write a master key beside an embedded database that has none, readable by its owner only."""
    path = wiring.key_file(settings)
    if settings.master_key is not None or path is None or path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(new_master_key() + "\n")
    return True


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    no_delivery: Annotated[bool, typer.Option("--no-delivery", help="Accept and queue only.")] = False,
) -> None:
    """Serve the API and the transmitter, and deliver."""
    configure_logs()
    with explained():
        serving.serve(read_settings(host=host, port=port), deliver=not no_delivery)


def worker() -> None:
    """Deliver only: one of many, on PostgreSQL."""
    configure_logs()
    with explained():
        settings = read_settings()
        if settings.sqlite_path is not None:
            fail("SQLite is served by one process, and `riskrelay serve` delivers; use PostgreSQL to run workers")
        asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    await wiring.require_schema(settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await wiring.run_worker(settings, stop)


def migrate() -> None:
    """Bring the database to the schema of this version."""
    with explained():
        asyncio.run(wiring.migrate(read_settings()))
    console.print("The database has the newest schema.")


def account_create(account_id: str, as_json: JsonFlag = False) -> None:
    """Create an account."""
    if not 1 <= len(account_id) <= 255 or any(c in account_id for c in "/?#%") or not account_id.isprintable():
        fail("an account id has 1 to 255 printable characters without / ? # %: it stands in URLs")
    with explained():
        created = _run(read_settings(), lambda outside: create_account(outside, AccountId(account_id), COMMAND_LINE))
    message = f"Account {account_id} created." if created else f"Account {account_id} is there already."
    show({"account_id": account_id, "created": created}, as_json, lambda: console.print(message))


def account_list(as_json: JsonFlag = False) -> None:
    """List the accounts."""
    with explained():
        accounts = _run(read_settings(), lambda outside: outside.store.read_installation(lambda tx: tx.accounts.all()))
    rows = [{"account_id": a.account_id, "created_at": a.created_at.isoformat()} for a in accounts]
    show(rows, as_json, lambda: _table(rows))


def token_create(
    account_id: str,
    name: Annotated[str, typer.Option(help="What it is for.")] = "token",
    scope: Annotated[list[Scope] | None, typer.Option(help="What it allows; several times; default all.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Valid for so many days; default for ever.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a token; it is shown only now."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with explained():
        try:
            token, stored = _run(
                read_settings(),
                lambda outside: create_token(
                    outside, AccountId(account_id), COMMAND_LINE, name, scope or ALL_SCOPES, expires_at
                ),
            )
        except NotFound:
            fail(f"there is no account {account_id}; create it: riskrelay account create {account_id}")
    show({**_token_row(stored), "token": token}, as_json, lambda: console.print(f"[bold green]{token}[/]"))


def token_list(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None, as_json: JsonFlag = False
) -> None:
    """List tokens: never the secrets."""
    wanted = None if account is None else AccountId(account)
    with explained():
        tokens = _run(
            read_settings(),
            lambda outside: outside.store.read_installation(
                lambda tx: tx.tokens.all() if wanted is None else tx.tokens.of(wanted)
            ),
        )
    rows = [_token_row(token) for token in tokens]
    show(rows, as_json, lambda: _table(rows))


def token_revoke(token_id: str) -> None:
    """Make a token unknown at once."""
    with explained():
        try:
            _run(read_settings(), lambda outside: revoke_token(outside, TokenId(token_id), COMMAND_LINE))
        except NotFound:
            fail(f"there is no token {token_id}; see: riskrelay token list")
    console.print(f"Token {token_id} is revoked.")


def _run(settings: Settings, work: Callable[[Outside], Awaitable[T]]) -> T:
    """Run an action on the database itself."""

    async def run() -> T:
        await wiring.require_schema(settings)
        outside = wiring.build_outside(settings)
        try:
            return await work(outside)
        finally:
            await outside.store.close()

    return asyncio.run(run())


def _token_row(token: StoredToken) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "account_id": token.account_id,
        "name": token.name,
        "scopes": " ".join(sorted(token.scopes)),
        "created_at": token.created_at.isoformat(),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
    }


def _table(rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("None.")
        return
    table = Table(*rows[0].keys())
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(table)
