"""The console's sections, and the URLs of an account's pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote

from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.attempts import Delivery
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.ports import EventPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An entry of the navigation.

    Attributes:
        group: the heading above it; empty: none.
        path: the path below the account's URL.
        scope: the scope without which the entry is not shown.
        key: the letter that opens it, after `g`.
    """

    title: str
    group: str
    path: str
    scope: Scope
    key: str


SECTIONS = (
    Section(title="Overview", group="", path="", scope=Scope.READ, key="o"),
    Section(title="Live", group="", path="/live", scope=Scope.READ, key="l"),
    Section(title="Users", group="Risk", path="/users", scope=Scope.PII_READ, key="u"),
    Section(title="Behaviors", group="Risk", path="/behaviors", scope=Scope.READ, key="b"),
    Section(title="Rules", group="Risk", path="/rules", scope=Scope.READ, key="r"),
    Section(title="Exceptions", group="Risk", path="/exceptions", scope=Scope.PII_READ, key="e"),
    Section(title="Sources", group="Signals", path="/sources", scope=Scope.READ, key="s"),
    Section(title="Detection", group="Signals", path="/detection", scope=Scope.READ, key="t"),
    Section(title="Directory", group="Signals", path="/directory", scope=Scope.PII_READ, key="d"),
    Section(title="Integrations", group="Delivery", path="/integrations", scope=Scope.READ, key="i"),
    Section(title="Dead letters", group="Delivery", path="/dead-letters", scope=Scope.READ, key="x"),
    Section(title="Settings", group="Account", path="/settings", scope=Scope.OPERATE, key=","),
)
"""Entries of one group are neighbors."""


def groups_for(may: Callable[[Scope], bool]) -> list[tuple[str, Sequence[Section]]]:
    """Return the groups of the navigation, each with the entries that a visitor may open."""
    shown = [section for section in SECTIONS if may(section.scope)]
    return [(group, list(entries)) for group, entries in groupby(shown, lambda section: section.group)]


def account_path(account_id: AccountId, *parts: str) -> str:
    """Return the path of an account's page in the console. Each part is one segment, which is encoded here.

    >>> account_path(AccountId("acme"), "users", "a/b")
    '/console/accounts/acme/users/a%2Fb'
    """
    return "/".join(["/console/accounts", *(quote(part, safe="") for part in (account_id, *parts))])


def delivery_path(account_id: AccountId, integration_id: IntegrationId, event: Delivery | EventPlace) -> str:
    """Return the path of a delivery's page. It has the position in the log, because a jti has no index."""
    place = f"{event.stream_id}.{event.lane}.{event.seq}"
    return account_path(account_id, "integrations", integration_id, "deliveries", place)


def section_of(path: str, account_id: AccountId | None) -> Section | None:
    """Return the section of a page.

    Args:
        path: the path of the request, percent-encoded.
    """
    if account_id is None:
        return None
    below = path.removeprefix(account_path(account_id)).rstrip("/")
    return next((one for one in SECTIONS if below == one.path or (one.path and below.startswith(one.path + "/"))), None)
