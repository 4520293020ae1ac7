"""The console's sections, and the URLs of an account's pages."""

from dataclasses import dataclass
from urllib.parse import quote

from riskrelay.core.credentials import Scope
from riskrelay.core.delivery.attempts import Delivery
from riskrelay.core.integrations import AccountId, IntegrationId
from riskrelay.ports import EventPlace


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the navigation.

    Attributes:
        path: the path below the account's URL.
        scope: the scope without which the entry is not shown.
    """

    title: str
    path: str
    scope: Scope


SECTIONS = (
    Section("Overview", "", Scope.READ),
    Section("Users", "/users", Scope.PII_READ),
    Section("Sources", "/sources", Scope.READ),
    Section("Integrations", "/integrations", Scope.READ),
    Section("Dead letters", "/dead-letters", Scope.READ),
    Section("Live", "/live", Scope.READ),
    Section("Behaviors", "/behaviors", Scope.READ),
    Section("Detection", "/detection", Scope.READ),
    Section("Exceptions", "/exceptions", Scope.PII_READ),
    Section("Directory", "/directory", Scope.PII_READ),
    Section("Settings", "/settings", Scope.OPERATE),
)


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
