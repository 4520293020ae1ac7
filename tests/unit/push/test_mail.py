"""SMTP servers: what a URL means, real sessions, and what goes wrong in words."""

from datetime import timedelta
from pathlib import Path

import pytest

from riskrelay.core.notifications.channels import ChannelKind, Target
from riskrelay.core.notifications.messages import Message
from riskrelay.push.mail import MailServer, read_mail_server
from riskrelay.push.notifying import MessageSender
from riskrelay.push.targets import PushTargets
from support.certificates import new_authority
from support.inboxes import mailbox
from support.notifications import HOSTILE, change, message
from support.receivers import LOCAL, push_client, receiver
from support.services import NOON
from support.transmitting import NO_NOTIFIER

SENDER, OPS = "riskrelay@example.com", "ops@example.com"
PLAIN = "smtp://127.0.0.1:{}?starttls=no"


def sender_by(url: str, seconds: float = 60) -> MessageSender:
    server = read_mail_server(url, SENDER)
    return MessageSender(push_client, PushTargets(LOCAL), server, timedelta(seconds=seconds))


async def sent(url: str, what: Message | None = None, to: str = OPS, seconds: float = 60) -> str | None:
    target = Target(address=to)
    return await sender_by(url, seconds).send(ChannelKind.EMAIL, target, what or message(change()), NOON)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", ("mail.example.com", 587, False, True, None, None)),
        ("smtps://u%40x:p%3A@mail.example.com", ("mail.example.com", 465, True, False, "u@x", "p:")),
        ("smtp://relay:25?starttls=no", ("relay", 25, False, False, None, None)),
    ],
)
def test_a_url_names_a_server(url: str, server: tuple[object, ...]) -> None:
    """STARTTLS is required unless the URL says that there is none."""
    read: MailServer = read_mail_server(url, SENDER)
    assert (read.host, read.port, read.is_tls, read.is_upgraded, read.user, read.password) == server
    assert "p:" not in repr(read)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://host/path",
        "smtp://host?tls=no",
        "smtps://host?starttls=no",
        "smtp://user:secret@host?starttls=no",
    ],
)
def test_a_url_with_a_mistake_is_refused_without_its_password(url: str) -> None:
    """A password is never sent without encryption."""
    with pytest.raises(ValueError, match=r"must|unknown option") as refused:
        read_mail_server(url, SENDER)
    assert "secret" not in str(refused.value)


async def test_a_message_arrives_as_a_mail() -> None:
    """With a subject, a date, an id that is the same in each attempt, and no request for automatic replies."""
    with mailbox() as box:
        assert await sent(PLAIN.format(box.port)) is None
    (mail,) = box.mails
    assert box.recipients == [OPS]
    assert mail["Subject"] == "[riskrelay] Integration paused: okta"
    assert (mail["From"], mail["To"], mail["Message-ID"]) == (SENDER, OPS, "<msg_1@example.com>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "Resume the integration." in mail.get_content()


async def test_a_hostile_name_adds_no_header_and_no_recipient() -> None:
    """Line breaks in names become spaces."""
    with mailbox() as box:
        assert await sent(PLAIN.format(box.port), message(change(HOSTILE))) is None
    (mail,) = box.mails
    assert box.recipients == [OPS]
    assert mail["Bcc"] is None
    assert "Bcc: evil@example.com" in mail["Subject"]
    assert "\nBcc" not in mail.get_content()


async def test_a_server_with_tls_and_a_password_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of another name, an unknown authority and a wrong password each have their words."""
    authority = new_authority(tmp_path)
    tls, other = authority.server("127.0.0.1"), authority.server("other.example.com")
    with mailbox(tls, password="right") as box:
        url = f"smtp://ops:right@127.0.0.1:{box.port}"
        assert await sent(url) == "the certificate of the SMTP server is not trusted"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        assert await sent(url) is None
        assert await sender_by(url).check_email() is None
        wrong = url.replace("right", "wrong")
        assert "rejected the user name or password" in str(await sent(wrong))
        assert "rejected the user name or password" in str(await sender_by(wrong).check_email())
    with mailbox(other) as box:
        assert "not trusted" in str(await sent(f"smtp://127.0.0.1:{box.port}"))


async def test_what_goes_wrong_is_said_without_the_servers_text() -> None:
    """No STARTTLS, a refused recipient, nobody there, and a server that never answers."""
    with mailbox() as box:
        assert "does not support STARTTLS" in str(await sent(f"smtp://127.0.0.1:{box.port}"))
        box.refusal = "550 no such secret user"
        assert await sent(PLAIN.format(box.port)) == "the SMTP server rejected the recipient (550)"
    assert "cannot be reached" in str(await sent(PLAIN.format(box.port)))
    async with receiver() as silent:
        assert "did not respond in time" in str(await sent(PLAIN.format(silent.port), seconds=0.2))


def test_an_address_is_one_plain_address() -> None:
    """No list, no header, no name; and no e-mail at all without a server."""
    by_mail = sender_by("smtps://mail.example.com")
    assert by_mail.problem(ChannelKind.EMAIL, OPS) is None
    for address in (
        "a@b.example,c@d.example",
        "Ops <ops@example.com>",
        "a@b.example\r\nBcc: c@d.example",
        "ö@b.example",
    ):
        assert by_mail.problem(ChannelKind.EMAIL, address) is not None, address
    assert "RISKRELAY_SMTP_URL" in str(NO_NOTIFIER.problem(ChannelKind.EMAIL, OPS))


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com", "https://127.0.0.1/x", "https://10.0.0.1/", "https://u:p@hooks.example.com", "x"],
)
def test_a_url_of_a_private_address_or_without_tls_is_refused(url: str) -> None:
    """As for receivers."""
    assert NO_NOTIFIER.problem(ChannelKind.WEBHOOK, url) is not None
    assert NO_NOTIFIER.problem(ChannelKind.SLACK, url) is not None
