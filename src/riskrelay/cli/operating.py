"""Commands that work on the installation itself: init, serve, worker, migrate, account."""

import asyncio
import os
from typing import Annotated

import typer

from riskrelay.cli import interpreter
from riskrelay.cli.database import on_database
from riskrelay.cli.output import JsonFlag, errors, explained, fail, print_table, say, show
from riskrelay.core.credentials import COMMAND_LINE, account_id_problem
from riskrelay.core.integrations import AccountId

account_app = typer.Typer(help="Accounts: isolated tenants of this installation.", no_args_is_help=True)


def init(
    account: Annotated[str, typer.Option(help="The first account's id.")] = "default",
    as_json: JsonFlag = False,
) -> None:
    """Create the database, the first signing key, the first account and its token. Safe to run again."""
    from riskrelay.actions.accounts import initialise
    from riskrelay.actions.signing_keys import complete_signing_keys
    from riskrelay.settings import read_settings
    from riskrelay.wiring import installation

    _require_account_id(account)
    with explained():
        settings = read_settings()
        _warn_of_unknown_variables()
        made_key = asyncio.run(installation.make_key_file(settings))
        master_key = installation.read_master_key(settings)
        asyncio.run(installation.migrate(settings, _say_waiting))
        asyncio.run(installation.require_key_of_data(settings, master_key))
        keyring = installation.build_keyring(settings, master_key)
        on_database(lambda services: complete_signing_keys(services, COMMAND_LINE, keyring.make))
        token = on_database(lambda services: initialise(services, AccountId(account), COMMAND_LINE))

    def render() -> None:
        if made_key:
            key_file = installation.key_file(settings)
            say("Master key written to [bold]{}[/]. Keep a copy, and never commit it.", key_file)
        if token is None:
            say("Account [bold]{}[/] already exists. The database and the signing keys are up to date.", account)
            say("To create another token: riskrelay token create {}", account)
            return
        say("Account [bold]{}[/] is ready. Its token is shown only once:\n", account)
        say("  [bold green]{}[/]\n", token)
        say("Next: riskrelay serve")

    show({"account_id": account, "token": token}, as_json, render)


def _warn_of_unknown_variables() -> None:
    from riskrelay.settings import unknown_variables

    for check in unknown_variables(os.environ):
        say("[yellow]warning:[/] {} {}", check.said, f"Next: {check.fix}.", to=errors)


def _log_unknown_variables() -> None:
    import structlog

    from riskrelay.settings import unknown_variables

    for check in unknown_variables(os.environ):
        structlog.get_logger().warning("unknown_setting", said=check.said, next=check.fix)


def _require_account_id(account_id: str) -> None:
    problem = account_id_problem(account_id)
    if problem is not None:
        fail(problem)


def _say_waiting(holders: str) -> None:
    """Tell the operator who holds a lock that a migration waits for."""
    say("Waiting for a lock. Held by {}", holders, to=errors)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, help="Number of processes that share the port. More than 1 requires PostgreSQL."),
    ] = 1,
    no_delivery: Annotated[
        bool, typer.Option("--no-delivery", help="Accept and queue events, but do not deliver them.")
    ] = False,
) -> None:
    """Serve the API, the transmitter and the console, and deliver events."""
    interpreter.begin()
    from riskrelay.cli.logs import configure_logs
    from riskrelay.settings import read_settings

    with explained():
        settings = read_settings(host=host, port=port)
        if workers > 1 and settings.sqlite_path is not None:
            fail(
                "SQLite supports only one process; for --workers 2 and more, move to PostgreSQL "
                "(`riskrelay migrate-store postgresql://…`)"
            )
        log = configure_logs(settings.log_level)
        _log_unknown_variables()
        if workers > 1:
            from riskrelay.cli.supervisor import supervise

            raise typer.Exit(supervise(settings.host, settings.port, workers, deliver=not no_delivery))
        from riskrelay.cli import serving

        serving.serve(settings, log, deliver=not no_delivery)


def worker(
    host: Annotated[str | None, typer.Option(help="Address to serve metrics on.")] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Port to serve metrics and health on. Default: none.")
    ] = None,
) -> None:
    """Run a worker that delivers events. Requires PostgreSQL, where many workers can run."""
    interpreter.begin()
    from riskrelay.cli import serving
    from riskrelay.cli.logs import configure_logs
    from riskrelay.settings import read_settings

    with explained():
        settings = read_settings(host=host, metrics_port=metrics_port)
        if settings.sqlite_path is not None:
            fail("SQLite supports only one process, and `riskrelay serve` delivers; to run workers, use PostgreSQL")
        log = configure_logs(settings.log_level)
        _log_unknown_variables()
        serving.work(settings, log)


def migrate(as_json: JsonFlag = False) -> None:
    """Migrate the database to the schema of this version."""
    from riskrelay.settings import read_settings
    from riskrelay.wiring import installation

    with explained():
        asyncio.run(installation.migrate(read_settings(), _say_waiting))
    show({"newest_schema": True}, as_json, lambda: say("The database schema is up to date."))


@account_app.command("create", epilog="Example: riskrelay account create acme")
def account_create(account_id: str, as_json: JsonFlag = False) -> None:
    """Create an account."""
    from riskrelay.actions.accounts import create_account

    _require_account_id(account_id)
    with explained():
        created = on_database(lambda services: create_account(services, AccountId(account_id), COMMAND_LINE))
    said = "Account {} created." if created else "Account {} already exists."
    show({"account_id": account_id, "created": created}, as_json, lambda: say(said, account_id))


@account_app.command("delete", epilog="Example: riskrelay account delete acme --yes")
def account_delete(
    account_id: str,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking for confirmation.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete an account with its users, findings, integrations and tokens. Its audit log is kept."""
    from riskrelay.actions.account_deletion import delete_account, delete_rows
    from riskrelay.ports import Services

    _require_account_id(account_id)

    async def delete(services: Services) -> bool:
        found = await delete_account(services, AccountId(account_id), COMMAND_LINE)
        while await delete_rows(services, AccountId(account_id)):
            continue
        return found

    if not yes:
        typer.confirm(f"Delete the account {account_id} and all of its data?", abort=True, err=True)
    with explained():
        if not on_database(delete):
            fail(f"there is no account {account_id}; `riskrelay account list` shows all")
    show({"account_id": account_id, "deleted": True}, as_json, lambda: say("Account {} deleted.", account_id))


@account_app.command("list", epilog="Example: riskrelay account list --json")
def account_list(as_json: JsonFlag = False) -> None:
    """List the accounts."""
    with explained():
        accounts = on_database(lambda services: services.store.read_installation(lambda tx: tx.accounts.all()))
    rows = [{"account_id": a.account_id, "created_at": a.created_at.isoformat()} for a in accounts]
    show(rows, as_json, lambda: print_table(rows))
