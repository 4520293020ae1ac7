"""The settings, read once at start-up."""

from collections.abc import Iterable

from pydantic import ValidationError

from riskrelay.core.errors import Misconfigured
from riskrelay.ports import Check, Verdict
from riskrelay.settings.model import FROM_FILES, LogLevel, Settings
from riskrelay.settings.sources import closest
from riskrelay.settings.wording import PREFIX, sentences

__all__ = ["LogLevel", "Settings", "read_settings", "unknown_variables"]

_OF_COMMANDS = (  # variables of the command line, which are no settings
    "CONFIG",
    "URL",
    "TOKEN",
    "ACCOUNT",
    "RECEIVER_TOKEN",
    "RECEIVER_AUTHORIZATION",
    "RECEIVER_CLIENT_ID",
    "RECEIVER_CLIENT_SECRET",
)


def unknown_variables(environment: Iterable[str]) -> list[Check]:
    """Report variables named like a setting that nothing reads: misspelled ones are ignored otherwise.

    Args:
        environment: the names of all variables.
    """
    known = [f"{PREFIX}{name.upper()}" for name in (*Settings.model_fields, *_OF_COMMANDS)]
    return [
        Check(
            topic="settings",
            verdict=Verdict.WARNING,
            said=f"{name} is set, but this setting does not exist{closest(name.upper(), known)}.",
            fix="correct the name or unset it",
        )
        for name in sorted(environment)
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]


def read_settings(**overrides: object) -> Settings:
    """Read the settings.

    Raises: Misconfigured: a setting is wrong; the message names each and what to write.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    given |= {f"{name}_file": None for name in FROM_FILES if name in given}  # these values override a file
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        schema = Settings.model_json_schema()["properties"]
        raise Misconfigured("; ".join(sentences(error.errors(), schema))) from error
