"""`riskrelay doctor`: find problems of this installation and print how to fix them."""

import asyncio
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from riskrelay.cli.database import log_to_standard_error
from riskrelay.cli.output import JsonFlag, say, show
from riskrelay.core.errors import RiskrelayError, Unavailable

if TYPE_CHECKING:
    from riskrelay.ports import Check

_MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[bold red]✗[/]"}


def doctor(as_json: JsonFlag = False) -> None:
    """Check the settings, the database, the keys, the public URL and every receiver, and print how to fix problems.

    If the service is running, the command checks the settings of the service, not those of this shell. It changes
    nothing and sends no event. The exit code is 1 if there is a problem.
    """
    checks = asyncio.run(_examine())
    problems = sum(check.verdict == "problem" for check in checks)

    def render() -> None:
        for check in checks:
            say(_MARKS[check.verdict] + " [dim]{:10}[/] {}", check.topic, check.said)
            if check.fix is not None:
                say("             [bold]→ {}[/]", check.fix)
        if any(check.fix is not None for check in checks):
            say("The documentation of the service explains more: {}/docs/guides/operate", _public_url())
        say(
            "No problems found." if not problems else "1 problem found." if problems == 1 else "{} problems found.",
            problems,
        )

    show([asdict(check) for check in checks], as_json, render)
    raise typer.Exit(1 if problems else 0)


def _public_url() -> str:
    """Return the address of the service, by the settings of this shell; of settings that can't be read, the default."""
    from riskrelay.settings import Settings, read_settings

    try:
        url = read_settings().public_url
    except RiskrelayError:
        url = Settings.model_fields["public_url"].default
    return str(url).rstrip("/")


async def _examine() -> "list[Check]":
    """What keeps `serve` from starting is a problem by itself; nothing behind it can be looked at then."""
    from riskrelay.actions.examine_installation import examine_installation
    from riskrelay.cli.tls import tls_pair
    from riskrelay.ports import Check, Verdict
    from riskrelay.settings import read_settings, unknown_variables
    from riskrelay.wiring.installation import build_services, read_master_key, require_schema
    from riskrelay.wiring.processes import build_examining
    from riskrelay.wiring.running import settings_in_force

    log_to_standard_error()
    unknown = unknown_variables(os.environ)
    try:
        settings = read_settings()
        tls_pair(settings)
        await require_schema(settings)
        master_key = read_master_key(settings)
        services = build_services(settings)
    except RiskrelayError as error:
        return [
            *unknown,
            Check(
                topic="settings",
                verdict=Verdict.PROBLEM,
                said="riskrelay serve can't start with the settings of this shell.",
                fix=str(error),
            ),
        ]
    try:
        try:
            found, running = await settings_in_force(services, settings)
        except Unavailable:  # the examination says why, with the settings of this shell
            found, running = [], settings
        examining = build_examining(running, master_key, whole=True)
        return unknown + found + await examine_installation(services, examining)
    except RiskrelayError as error:
        return [
            *unknown,
            Check(
                topic="settings",
                verdict=Verdict.PROBLEM,
                said="The running service cannot be examined.",
                fix=str(error),
            ),
        ]
    finally:
        await services.store.close()
