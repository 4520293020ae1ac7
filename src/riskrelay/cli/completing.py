"""What shells complete: names of the account, by one short request. A failure completes nothing, and says nothing."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskrelay.client import Client

_SECONDS = 1.0  # chosen: longer than a service needs, shorter than a person's patience
_MOST = 100


def _completing(names: Callable[["Client"], Iterable[str]]) -> Callable[[Any, str], list[str]]:
    def complete(ctx: Any, incomplete: str) -> list[str]:
        try:
            from riskrelay.client import Client

            account = ctx.params.get("account")
            with Client(account=account, timeout_seconds=_SECONDS, deadline_seconds=_SECONDS) as client:
                return [name for name in names(client) if name.startswith(incomplete)][:_MOST]
        except Exception:  # noqa: BLE001  a traceback would break the line that is being typed
            return []

    return complete


complete_integration = _completing(lambda client: (one.reference_id for one in client.integrations.all()))
complete_source = _completing(lambda client: (one.name for one in client.sources.all()))
complete_kind = _completing(lambda client: (one.kind for one in client.sources.kinds()))
complete_behavior = _completing(lambda client: client.behaviors.all())


def complete_account(ctx: Any, incomplete: str) -> list[str]:
    """Return the accounts in the database of this machine's settings."""
    try:
        from riskrelay.cli.database import on_database

        accounts = on_database(lambda services: services.store.read_installation(lambda tx: tx.accounts.all()))
        return [str(one.account_id) for one in accounts if one.account_id.startswith(incomplete)][:_MOST]
    except Exception:  # noqa: BLE001  as above
        return []
