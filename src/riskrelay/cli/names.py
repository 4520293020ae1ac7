"""Names and e-mail addresses, wherever an id is expected.

A command receives the id. What the user typed is shown in its messages.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlencode

import typer

if TYPE_CHECKING:
    from riskrelay.cli.api import Api

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SHORTEST_START = 4  # chosen: of an id; fewer digits are more likely a mistake
_SHOWN_CANDIDATES = 10


class NamedId(str):
    """An id that is shown as the name that the user typed."""

    __slots__ = ("name",)

    name: str

    @classmethod
    def of(cls, id: str, name: str) -> "NamedId":
        """Return *id* with its name."""
        made = cls(id)
        made.name = name
        return made

    def __format__(self, spec: str) -> str:
        """Return the name: messages are formatted, paths are quoted."""
        return format(self.name, spec)


def accepts_names(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command that takes an id in an argument of RESOLVERS: let it take a name, too."""

    @wraps(command)
    def run(**given: Any) -> None:
        named = {
            name: given[name]
            for name in RESOLVERS
            if isinstance(given.get(name), str) and _UUID.fullmatch(given[name]) is None
        }
        if named:
            from riskrelay.cli.api import use_timeout, with_api

            use_timeout(given.get("timeout"))

            def resolve_all(api: "Api") -> None:
                for name in named:
                    given[name] = RESOLVERS[name](api, given[name], given)

            with_api(given["account"], resolve_all)
        command(**given)

    run.__signature__ = inspect.signature(command)  # type: ignore[attr-defined]
    return run


def all_accept_names(app: typer.Typer) -> typer.Typer:
    """Let each command of *app* take names where it takes ids."""
    for command in app.registered_commands:
        if command.callback is not None:
            names = inspect.signature(command.callback).parameters
            if "account" in names and RESOLVERS.keys() & names.keys():
                command.callback = accepts_names(command.callback)
    return app


def chosen(kind: str, given: str, rows: Sequence[dict[str, Any]], *, names: Sequence[str], listing: str) -> NamedId:
    """Find the one of *rows* that the user means: by name, by name in another letter case, or by the start of its id.

    Args:
        kind: what the rows are, such as "integration".
        names: the members that hold a name.
        listing: the command that lists them.

    A name of several rows, and one of none, end the command with the candidates.
    """
    found = (
        [row for row in rows if given in _names(row, names)]
        or [row for row in rows if given.casefold() in map(str.casefold, _names(row, names))]
        or [row for row in rows if len(given) >= _SHORTEST_START and row["id"].lower().startswith(given.lower())]
    )
    if not found:
        known = [name for row in rows for name in _names(row, names)]
        _fail(f"{kind} {given} not found", *did_you_mean(given, known), f"To list all: {listing}")
    if len(found) > 1:
        shown = [f"{row['id']}  {', '.join(_names(row, names))}" for row in found[:_SHOWN_CANDIDATES]]
        more = [f"and {len(found) - len(shown):,} more"] if len(found) > len(shown) else []
        _fail(f"{given} is the name of {len(found):,} {kind}s; use an id", *shown, *more)
    return NamedId.of(found[0]["id"], given)


def did_you_mean(given: str, known: Iterable[str]) -> list[str]:
    """Return a line with the names that are spelled nearly like *given*; empty when there are none.

    >>> did_you_mean("high_dpl", ["high_dlp", "imp_travel"])
    ['Did you mean high_dlp?']
    """
    by_case: dict[str, str] = {}
    for name in known:
        by_case.setdefault(name.casefold(), name)
    near = get_close_matches(given.casefold(), by_case, n=3, cutoff=0.6)
    return [f"Did you mean {' or '.join(by_case[name] for name in near)}?"] if near else []


def _fail(message: str, *more: str) -> NoReturn:
    from riskrelay.cli.output import fail

    fail(message, *more)


def _names(row: dict[str, Any], members: Sequence[str]) -> list[str]:
    return [row[member] for member in members if row[member]]


def _integration(api: "Api", given: str, _arguments: dict[str, Any]) -> NamedId:
    rows = api.call("GET", "/integrations")
    return chosen("integration", given, rows, names=["reference_id"], listing="riskrelay integration list")


def _source(api: "Api", given: str, _arguments: dict[str, Any]) -> NamedId:
    return chosen("source", given, api.call("GET", "/sources"), names=["name", "kind"], listing="riskrelay source list")


def _exception(api: "Api", given: str, _arguments: dict[str, Any]) -> NamedId:
    rows = api.newest("/exceptions", {}, 1_000)
    return chosen("exception", given, rows, names=["user", "pattern", "group"], listing="riskrelay exception list")


def _channel(api: "Api", given: str, _arguments: dict[str, Any]) -> NamedId:
    rows = api.call("GET", "/notification_channels")
    return chosen("channel", given, rows, names=["name"], listing="riskrelay notification list")


def _bulk_reset(api: "Api", given: str, _arguments: dict[str, Any]) -> NamedId:
    return chosen("bulk reset", given, api.call("GET", "/resets"), names=[], listing="riskrelay reset list")


def _credential(api: "Api", given: str, arguments: dict[str, Any]) -> NamedId:
    integration = arguments["integration_id"]
    rows = api.call("GET", f"/integrations/{quote(integration, safe='')}/credentials")
    return chosen("credential", given, rows, names=["name"], listing=f"riskrelay credential list {integration:s}")


def _replay(api: "Api", given: str, arguments: dict[str, Any]) -> NamedId:
    integration = arguments["integration_id"]
    rows = api.call("GET", f"/integrations/{quote(integration, safe='')}/replays")
    return chosen("replay", given, rows, names=[], listing=f"riskrelay replay list {integration:s}")


def _user(api: "Api", given: str, _arguments: dict[str, Any]) -> NamedId:
    """Find a user by the whole e-mail address. Users whose address only begins so are candidates, never chosen."""
    from riskrelay.core.email_addresses import email_key

    rows = api.call("GET", f"/users?{urlencode({'email': given})}")
    found = [row for row in rows if email_key(row["email"]) == email_key(given)]
    if not found and rows:
        candidates = [row["email"] for row in rows[:_SHOWN_CANDIDATES]]
        _fail(f"no user has the e-mail address {given}; these begin so:", *candidates)
    if not found:
        _fail(f"user {given} not found", "Give an e-mail address or an id. To list users at risk: riskrelay user list")
    return NamedId.of(found[0]["user_id"], given)


RESOLVERS: dict[str, Callable[["Api", str, dict[str, Any]], NamedId]] = {
    "integration_id": _integration,  # before what belongs to an integration
    "credential_id": _credential,
    "replay_id": _replay,
    "source_id": _source,
    "exception_id": _exception,
    "channel_id": _channel,
    "reset_id": _bulk_reset,
    "user_id": _user,
}
"""How the id is found that an argument of this name means."""
