"""Send notifications: e-mails through the operator's server, webhooks to public addresses over https."""

import ssl
from collections.abc import Callable
from datetime import datetime, timedelta

from riskrelay.core.delivery.reasons import explain
from riskrelay.core.notifications.channels import MAX_TARGET_CHARACTERS, ChannelKind, Target
from riskrelay.core.notifications.messages import Message, slack_body, webhook_body, webhook_headers
from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.ports import Targets
from riskrelay.push.client import PushClient
from riskrelay.push.mail import MailServer, address_problem, check_mail, send_mail, words_of

DEADLINE = timedelta(seconds=20)  # chosen: like a push
_NO_SERVER = "e-mails need an SMTP server: the operator sets RISKRELAY_SMTP_URL and RISKRELAY_SMTP_FROM"


class MessageSender:
    """Implements ports.Notifier.

    Args:
        open_client: makes a client as deliveries use it: under the same rules, through the same proxy. A channel gets a
            few messages an hour, so no connection is kept.
        mail: None: the operator set no SMTP server.
    """

    def __init__(
        self,
        open_client: Callable[[], PushClient],
        targets: Targets,
        mail: MailServer | None,
        deadline: timedelta = DEADLINE,
    ) -> None:
        self._open_client = open_client
        self._targets = targets
        self._mail = mail
        self._deadline = deadline

    def problem(self, kind: ChannelKind, address: str) -> str | None:
        """Return why no message can be sent to *address*."""
        if kind is ChannelKind.EMAIL:
            return _NO_SERVER if self._mail is None else address_problem(address)
        if len(address) > MAX_TARGET_CHARACTERS:
            return f"must not be longer than {MAX_TARGET_CHARACTERS:,} characters"
        return self._targets.problem(address)

    async def send(self, kind: ChannelKind, target: Target, message: Message, now: datetime) -> str | None:
        """Send a message within the deadline."""
        if kind is ChannelKind.EMAIL:
            return await self._send_mail(target.address, message)
        if kind is ChannelKind.SLACK:
            return await self._post(target.address, slack_body(message))
        body = webhook_body(message)
        return await self._post(
            target.address, body, webhook_headers(target.secret or "", message.message_id, body, now=now)
        )

    async def check_email(self) -> str | None:
        """Sign in to the SMTP server."""
        if self._mail is None:
            return None
        try:
            await check_mail(self._mail, self._deadline)
        except (OSError, ssl.SSLError, _smtp_error()) as error:
            return words_of(error)
        return None

    async def _send_mail(self, address: str, message: Message) -> str | None:
        if self._mail is None:
            return _NO_SERVER
        try:
            await send_mail(self._mail, address, message, self._deadline)
        except (OSError, ssl.SSLError, _smtp_error()) as error:
            return words_of(error)
        return None

    async def _post(self, url: str, body: bytes, headers: dict[str, str] | None = None) -> str | None:
        async with self._open_client() as client:
            return _words(await client.post(url, body, headers or {}))


def _smtp_error() -> type[Exception]:
    import aiosmtplib

    return aiosmtplib.SMTPException


def _words(outcome: Outcome) -> str | None:
    """Say what went wrong, without the receiver's text."""
    if outcome.kind is OutcomeKind.ACCEPTED:
        return None
    if outcome.status is not None:
        return f"the receiver answered HTTP {outcome.status}"
    explained = explain(outcome.reason)
    return f"{explained.words[0].lower()}{explained.words[1:]}"
