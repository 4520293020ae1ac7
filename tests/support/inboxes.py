"""Where notifications arrive: an SMTP server and an HTTP server, each on a real port in threads of its own."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from riskrelay.bench.processes import free_port


class Mailbox:
    """An SMTP server that keeps what it accepts.

    Attributes:
        refusal: the answer to each recipient; empty: accepted.
    """

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refusal = ""
        self.port = free_port()

    async def handle_RCPT(  # noqa: N802  the name of aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a recipient, or refuse it."""
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail."""
        mail = message_from_bytes(cast(bytes, envelope.content), policy=policy.default)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        return "250 OK"


@contextmanager
def mailbox(tls: ssl.SSLContext | None = None, password: str | None = None) -> Iterator[Mailbox]:
    """A running SMTP server on 127.0.0.1.

    Args:
        tls: STARTTLS is offered, and required.
        password: of any user; None: nobody signs in.
    """
    box = Mailbox()

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and data.password == (password or "").encode()
        return AuthResult(success=is_right, handled=False)

    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=box.port,
        tls_context=tls,
        require_starttls=tls is not None,
        auth_required=password is not None,
        authenticator=check,
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


class Hook:
    """An HTTP server that keeps each request.

    Attributes:
        statuses: of the next answers; 200 when there are none.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Keep a request and answer it."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.requests.append((handler.path, {name.lower(): value for name, value in handler.headers.items()}, body))
        said = b"the secret of your URL is " + handler.path.encode()
        handler.send_response(self.statuses.pop(0) if self.statuses else 200)
        handler.send_header("Content-Length", str(len(said)))
        handler.send_header("Location", "/elsewhere")
        handler.end_headers()
        handler.wfile.write(said)


@contextmanager
def hook() -> Iterator[Hook]:
    """A running HTTP server on 127.0.0.1."""
    kept = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
