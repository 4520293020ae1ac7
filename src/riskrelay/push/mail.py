"""Send e-mails through the SMTP server that the operator set (ADR 0044)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from riskrelay.core.email_addresses import email_problem
from riskrelay.core.notifications.messages import Message, one_line, plain_text

if TYPE_CHECKING:
    import aiosmtplib

_PORTS = {"smtp": 587, "smtps": 465}  # RFC 8314 §3.3
_NO_STARTTLS = "the SMTP server does not support STARTTLS or authentication, which RISKRELAY_SMTP_URL requires"
_MAX_SUBJECT_CHARACTERS = 200  # chosen: more than a mail program shows


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """An SMTP server.

    Attributes:
        is_tls: TLS from the first byte.
        is_upgraded: STARTTLS, without which nothing is sent.
        sender: the address of the sender.
    """

    host: str
    port: int
    is_tls: bool
    is_upgraded: bool
    sender: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def read_mail_server(url: str, sender: str) -> MailServer:
    """Read an SMTP URL: `smtp://` with STARTTLS, or `smtps://` with TLS.

    Raises: ValueError: what to change, without the URL, which may hold a password.

    >>> read_mail_server("smtp://relay.example.com:25?starttls=no", "riskrelay@example.com").is_upgraded
    False
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL with a valid host and port") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or parts.fragment:
        raise ValueError("must be like smtp://user:password@mail.example.com:587 or smtps://mail.example.com")
    options = parse_qs(parts.query, keep_blank_values=True)
    is_plain = options.pop("starttls", ["yes"]) == ["no"]
    if options or (is_plain and parts.scheme == "smtps"):
        raise ValueError("has an unknown option: only ?starttls=no after an smtp:// URL is known")
    if is_plain and parts.password is not None:
        raise ValueError("must not have a password with ?starttls=no, because it would be sent without encryption")
    return MailServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        is_tls=parts.scheme == "smtps",
        is_upgraded=parts.scheme == "smtp" and not is_plain,
        sender=sender,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def address_problem(address: str) -> str | None:
    """Return the problem of an address to send to; None if it is valid."""
    if not address.isascii():
        return "must have ASCII characters only"
    return email_problem(address)


async def send_mail(server: MailServer, address: str, message: Message, deadline: timedelta) -> None:
    """Send *message* to one address.

    Raises: aiosmtplib.SMTPException, OSError, TimeoutError, ssl.SSLError.
    """
    written = _written(server, address, message)
    async with _session(server, deadline) as session:
        await session.sendmail(server.sender, [address], written.as_bytes())


async def check_mail(server: MailServer, deadline: timedelta) -> None:
    """Connect and sign in, and send nothing. Raises: as `send_mail`."""
    async with _session(server, deadline):
        pass


@asynccontextmanager
async def _session(server: MailServer, deadline: timedelta) -> "AsyncIterator[aiosmtplib.SMTP]":
    import aiosmtplib  # commands that send nothing start faster without it

    seconds = deadline.total_seconds()
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        local_hostname=server.sender.rpartition("@")[2],  # the default looks this machine's name up, which may block
        timeout=seconds,
        use_tls=server.is_tls,
        start_tls=server.is_upgraded,
        tls_context=ssl.create_default_context(),
    )
    # The client's own timeout is for each step, so a server that drips could last.
    async with asyncio.timeout(seconds), client:
        yield client


def _written(server: MailServer, address: str, message: Message) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = server.sender
    mail["To"] = address
    mail["Subject"] = one_line(f"[riskrelay] {message.title}")[:_MAX_SUBJECT_CHARACTERS]
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.message_id}@{server.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no out-of-office replies
    mail.set_content(plain_text(message))
    return mail


def words_of(error: Exception) -> str:
    """Say what went wrong, without a text of the server, which may repeat the address or the password."""
    import aiosmtplib

    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return "the SMTP server rejected the user name or password in RISKRELAY_SMTP_URL"
        case aiosmtplib.SMTPRecipientsRefused():
            return f"the SMTP server rejected the recipient ({error.recipients[0].code})"
        case aiosmtplib.SMTPSenderRefused():
            return f"the SMTP server rejected RISKRELAY_SMTP_FROM ({error.code})"
        case aiosmtplib.SMTPNotSupported():
            return _NO_STARTTLS
        case aiosmtplib.SMTPResponseException():
            return f"the SMTP server answered {error.code}"
        case aiosmtplib.SMTPException() if type(error) is aiosmtplib.SMTPException:
            return _NO_STARTTLS
        case TimeoutError():
            return "the SMTP server did not respond in time"
        case ssl.SSLCertVerificationError():
            return "the certificate of the SMTP server is not trusted"
        case ssl.SSLError():
            return "the TLS handshake with the SMTP server failed"
    if isinstance(error.__cause__, ssl.SSLError):
        return words_of(error.__cause__)
    return "the SMTP server cannot be reached; check RISKRELAY_SMTP_URL"
