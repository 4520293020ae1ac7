"""The client."""

import ssl
from types import TracebackType
from typing import Self

from riskrelay.client.sync.behaviors import Behaviors
from riskrelay.client.sync.deliveries import Deliveries, Replays
from riskrelay.client.sync.directory import Directory
from riskrelay.client.sync.exceptions import Exceptions
from riskrelay.client.sync.findings import Activity, Findings
from riskrelay.client.sync.integrations import Credentials, Integrations
from riskrelay.client.sync.notifications import NotificationChannels
from riskrelay.client.sync.rules import Rules
from riskrelay.client.sync.session import Session
from riskrelay.client.sync.sources import Sources
from riskrelay.client.sync.tokens import AuditLog, Tokens
from riskrelay.client.sync.transport import HttpTransport, Transport
from riskrelay.client.sync.users import Resets, Users


class Client:
    """The account API of one account.

    A call is sent again after 429, 503 and a lost connection, within its deadline, and only where that counts nothing
    twice. Otherwise it raises a `ClientError`.

    Args:
        url: the service's address; default: RISKRELAY_URL, or http://127.0.0.1:8700.
        token: default: RISKRELAY_TOKEN.
        account: the account's id; default: RISKRELAY_ACCOUNT, or default.
        timeout_seconds: for each attempt.
        deadline_seconds: for a call with all of its attempts and waits.
        tls: which certificates are trusted; None: those of the operating system.
        transport: how requests are sent; None: over HTTP.

    Raises: ValueError: the address or the token has no valid form.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        account: str | None = None,
        *,
        timeout_seconds: float = 10.0,
        deadline_seconds: float = 60.0,
        tls: ssl.SSLContext | None = None,
        transport: Transport | None = None,
    ) -> None:
        session = Session(
            transport or HttpTransport(tls),
            url=url,
            token=token,
            account=account,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
        )
        self._session = session
        self.findings = Findings(session)
        self.activity = Activity(session)
        self.sources = Sources(session)
        self.users = Users(session)
        self.resets = Resets(session)
        self.integrations = Integrations(session)
        self.credentials = Credentials(session)
        self.deliveries = Deliveries(session)
        self.replays = Replays(session)
        self.behaviors = Behaviors(session)
        self.rules = Rules(session)
        self.exceptions = Exceptions(session)
        self.directory = Directory(session)
        self.notification_channels = NotificationChannels(session)
        self.tokens = Tokens(session)
        self.audit = AuditLog(session)

    def __enter__(self) -> Self:
        """Return the client. Nothing is connected before the first call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()
