"""The commands of `riskrelay` by name. The module of a command is imported when the command is used."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command or a group of commands below `riskrelay`.

    Attributes:
        place: module and attribute in `riskrelay.cli`: a function, or a `typer.Typer` with more commands.
        help: one sentence. The help of `riskrelay` is printed without importing the module.
        example: for a function: its example, without the word "riskrelay".
        calls_service: for a group: whether all of its commands call the service, and have the option `--timeout`.
    """

    place: str
    help: str
    example: str = ""
    calls_service: bool = False


PARTS: dict[str, dict[str, Entry]] = {
    "Start": {
        "init": Entry(
            place="operating.init",
            help="Create the database, the first signing key, the first account and its token. Safe to run again.",
            example="riskrelay init --account acme --json",
        ),
        "serve": Entry(
            place="operating.serve",
            help="Serve the API, the transmitter and the console, and deliver events.",
            example="RISKRELAY_DATABASE_URL=postgresql://db/riskrelay riskrelay serve --host 0.0.0.0 --workers 4",
        ),
        "demo": Entry(
            place="demo.demo",
            help="Run a demonstration with a service on a temporary database and a receiver in another process.",
            example="riskrelay demo --json",
        ),
        "receive": Entry(
            place="receiving.receive",
            help="Run a receiver: fetch the transmitter's metadata and keys, verify each SET, and print it.",
            example="riskrelay receive --well-known http://127.0.0.1:8700/.well-known/sse-configuration/6f0c…",
        ),
    },
    "Signals": {
        "source": Entry(place="sources.app", help="Sources: the products that send signals."),
        "finding": Entry(
            place="findings.app", help="Findings: risky behaviors observed for users.", calls_service=True
        ),
        "activity": Entry(place="activity.app", help="Activity: logins and DLP hits."),
        "directory": Entry(
            place="directory.app",
            help="Directory: maps other names of users and their devices to e-mail addresses.",
            calls_service=True,
        ),
    },
    "Users and risk levels": {
        "user": Entry(place="users.app", help="Users at risk, and their findings.", calls_service=True),
        "reset": Entry(
            place="bulk_resets.app",
            help="Bulk resets: clear the risk levels of many users.",
            calls_service=True,
        ),
        "behavior": Entry(
            place="behaviors.app",
            help="Behaviors: kinds of risky activity, and the risk level of each.",
            calls_service=True,
        ),
        "level": Entry(
            place="levels.app", help="Levels: how long findings count, and how risk levels end.", calls_service=True
        ),
        "rule": Entry(
            place="rules.app",
            help="Rules: combinations of findings that give a level, or revoke the user's sessions.",
            calls_service=True,
        ),
        "exception": Entry(
            place="exceptions.app",
            help="Exceptions: users for whom a behavior is ignored, capped at a level, or has another level.",
            calls_service=True,
        ),
        "detection": Entry(
            place="detection.app",
            help="Detection: settings for impossible travel and other activity.",
            calls_service=True,
        ),
        "network": Entry(
            place="networks.app",
            help="Trusted networks: logins from them are exempt from impossible travel.",
            calls_service=True,
        ),
    },
    "Receivers": {
        "integration": Entry(
            place="integrations.app",
            help="Integrations: connections from an account to receiver products.",
            calls_service=True,
        ),
        "credential": Entry(
            place="receiver_credentials.app",
            help="Credentials, which an integration's receiver authenticates with.",
            calls_service=True,
        ),
        "delivery": Entry(
            place="deliveries.app", help="Deliveries: security events sent to receivers.", calls_service=True
        ),
        "replay": Entry(place="deliveries.replays", help="Replays: deliveries sent again in bulk.", calls_service=True),
    },
    "Installation": {
        "account": Entry(place="operating.account_app", help="Accounts: isolated tenants of this installation."),
        "token": Entry(
            place="tokens.app",
            help="Tokens for the API and the console. A token is shown once and stored as a hash.",
        ),
        "key": Entry(
            place="keys.app",
            help="Signing keys, which receivers verify events with. Requires an installation token.",
        ),
        "audit": Entry(
            place="audit.app", help="The audit log: every change, its actor, time and address.", calls_service=True
        ),
        "notification": Entry(
            place="notifications.app",
            help="Notifications: tell people when an integration, a source or the installation needs attention.",
            calls_service=True,
        ),
        "doctor": Entry(
            place="doctor.doctor",
            help="Check the settings, the database, the keys, the public URL and every receiver, and print how to fix "
            "problems.",
            example="riskrelay doctor --json",
        ),
        "worker": Entry(
            place="operating.worker",
            help="Run a worker that delivers events. Requires PostgreSQL, where many workers can run.",
            example="RISKRELAY_DATABASE_URL=postgresql://db/riskrelay riskrelay worker --metrics-port 8709",
        ),
        "migrate": Entry(
            place="operating.migrate",
            help="Migrate the database to the schema of this version.",
            example="riskrelay migrate",
        ),
        "backup": Entry(
            place="stores.backup",
            help="Back up the SQLite database to one consistent, checked file. The service can keep running.",
            example="riskrelay backup /var/backups/riskrelay-2026-11-24.db",
        ),
        "restore": Entry(
            place="stores.restore",
            help="Replace the SQLite database with a backup. Stop the service and restore the master key first.",
            example="riskrelay restore /var/backups/riskrelay-2026-11-24.db --overwrite",
        ),
        "migrate-store": Entry(
            place="stores.migrate_store",
            help="Copy all data from SQLite to PostgreSQL in one transaction, and compare counts and hashes.",
            example="riskrelay migrate-store postgresql://riskrelay@db/riskrelay",
        ),
        "bench": Entry(
            place="bench.bench",
            help="Measure the performance of riskrelay on this machine. Takes about a minute on a temporary SQLite "
            "database.",
            example="riskrelay bench --postgres postgresql://postgres@127.0.0.1/postgres --json",
        ),
    },
}
"""The commands in the order of the help, which has a heading for each part."""


class Command(TyperCommand):
    """A command that has a name and a help, and is loaded when it is used."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.help)
        self._entry = entry

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Make the context of the command itself, which then runs."""
        return self.loaded().make_context(*arguments, **options)

    def loaded(self) -> Any:
        """Import the module of this command.

        Returns: a `TyperCommand` or a `TyperGroup`.
        """
        module, _, attribute = self._entry.place.partition(".")
        found = getattr(import_module(f"riskrelay.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            found.rich_markup_mode = None
            _finished(found)
            loaded: Any = get_group(_calling(found) if self._entry.calls_service else found)
        else:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(epilog=f"Example: {self._entry.example}")(found)
            loaded = get_command(_finished(alone))
        loaded.name = self.name
        for command in (loaded, *getattr(loaded, "commands", {}).values()):
            if command.epilog is not None:
                command.epilog = f"\b\n{command.epilog}"  # an example keeps its one line, so that it can be copied
        return loaded


def _finished(group: typer.Typer) -> typer.Typer:
    from riskrelay.cli.formats import all_print_data
    from riskrelay.cli.names import all_accept_names

    return all_print_data(all_accept_names(group))


def _calling(group: typer.Typer) -> typer.Typer:
    from riskrelay.cli.api import all_call_service

    return all_call_service(group)


class Root(TyperGroup):
    """`riskrelay` itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {name: Command(name, entry) for entries in PARTS.values() for name, entry in entries.items()}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands of each part under its heading."""
        for part, entries in PARTS.items():
            with formatter.section(part):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])
