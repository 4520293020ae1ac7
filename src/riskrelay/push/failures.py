"""Outcomes of pushes that got no response, from exceptions of the client, ssl and the system."""

import errno
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from msgspec import structs

from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind, Phases
from riskrelay.push.addresses import BlockedAddress

_DETAIL_CHARACTERS = 500  # ports: Outcome.detail

_BY_ERRNO = {
    errno.ECONNREFUSED: "connection_refused",
    errno.ECONNRESET: "connection_lost",
    errno.ECONNABORTED: "connection_lost",
    errno.EPIPE: "connection_lost",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ETIMEDOUT: "timeout_connect",
}
_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
_NO_SUCH_NAME = {
    getattr(socket, name)
    for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
    if hasattr(socket, name)  # musl lacks some
}

# OpenSSL's X509_V_ERR_* numbers (x509_vfy.h), which Python gives as `verify_code`.
_TLS_BY_VERIFY_CODE = {
    10: "tls_expired",
    2: "tls_unknown_ca",
    18: "tls_unknown_ca",  # self-signed
    19: "tls_unknown_ca",  # self-signed in the chain
    20: "tls_unknown_ca",
    21: "tls_unknown_ca",
    62: "tls_wrong_host",
    64: "tls_wrong_host",  # of an address
}
# OpenSSL's reasons if the two sides share no version or cipher, or if the other side does not use TLS.
_TLS_PROTOCOL = re.compile(r"VERSION|PROTOCOL|CIPHER|HANDSHAKE_FAILURE|HTTP_REQUEST|RECORD|PACKET|UNEXPECTED_MESSAGE")
# Alerts of a receiver that requires a client certificate, or another one (RFC 8446 §6.2).
_REFUSES_OURS = re.compile(r"ALERT_(CERTIFICATE_|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)")
_LONG_TOKEN = re.compile(r"[A-Za-z0-9_.-]{64,}")  # a SET, or a part of one, that the receiver echoed


NOT_HTTP = "the answer is not HTTP"  # whatever words the parser has for it


class NotHttp(Exception):
    """The bytes are not an HTTP response that this client reads."""


class ConnectTimedOut(TimeoutError):
    """No connection was ready in time."""


class ProxyFailed(Exception):
    """The egress proxy opened no tunnel.

    Args:
        reason: of the outcome.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_PROXY_WORDS[reason])
        self.reason = reason


class ProxyStage(Enum):
    """The step at the egress proxy that a push waits for."""

    NONE = "nothing: no proxy is used, or its tunnel is open"
    DIALLING = "a connection to it"
    ASKING = "its answer to CONNECT"


@dataclass(slots=True, kw_only=True)
class Progress:
    """The progress of one push.

    Attributes:
        is_resolving: whether the resolver has not answered yet.
        proxy: the step at the egress proxy that it waits for.
        asked_at, resolved_at, dialled_at, connected_at, secured_at, sent_at, answered_at: when the resolver was asked
            and answered, the first socket was made, the connection (through a proxy, the tunnel) was open, its TLS
            handshake ended, the last request was sent and the first byte of its answer arrived; by the monotonic
            clock. None: it did not happen; `dialled_at` of a push that waits for a connection or has a kept-alive one.
    """

    is_resolving: bool = False
    proxy: ProxyStage = ProxyStage.NONE
    asked_at: float | None = None
    resolved_at: float | None = None
    dialled_at: float | None = None
    connected_at: float | None = None
    secured_at: float | None = None
    sent_at: float | None = None
    answered_at: float | None = None

    def begin_again(self) -> None:
        """Reset the steps of an address that was not reached, and keep those of the name resolution."""
        self.proxy, self.dialled_at = ProxyStage.NONE, None

    @property
    def phases(self) -> Phases:
        """Return the duration of each phase that ended."""
        return Phases(
            _between(self.asked_at, self.resolved_at),
            _between(self.dialled_at, self.connected_at),
            _between(self.connected_at, self.secured_at),
            _between(self.sent_at, self.answered_at),
        )


def _between(begin: float | None, end: float | None) -> timedelta | None:
    return None if begin is None or end is None else timedelta(seconds=end - begin)


def refused(reason: str, detail: str) -> Outcome:
    """Return the outcome of a push that was not tried because of its target: transient, so the backlog is kept."""
    return Outcome(kind=OutcomeKind.TRANSIENT, reason=reason, detail=_printable(detail))


def outcome_of_failure(error: Exception, progress: Progress) -> Outcome:
    """Return the outcome of a push that got no status line.

    Returns: kind LOCAL when the cause is on our side (resolver, descriptors, no free connection, a defect), else
        TRANSIENT. The detail holds no part of the SET, even when the receiver echoed it.
    Rule: faults 25, 28, 30-32.
    """
    if isinstance(error, BlockedAddress):
        return structs.replace(refused("blocked_address", str(error)), phases=progress.phases)
    if progress.proxy is not ProxyStage.NONE and isinstance(error, TimeoutError):
        error = ProxyFailed("proxy_timeout")
    if isinstance(error, ProxyFailed):
        return Outcome(kind=OutcomeKind.LOCAL, reason=error.reason, detail=str(error), phases=progress.phases)
    kind, reason = _meaning(error, progress)
    text = _LONG_TOKEN.sub("(…)", str(error)) or f"{type(error).__name__} without a message"
    return Outcome(kind=kind, reason=reason, detail=_printable(text), phases=progress.phases)


def may_reach_another(error: Exception, progress: Progress) -> bool:
    """Return whether the egress proxy may reach another address of the receiver.

    It may when it accepted the connection and the credentials but opened no tunnel to this address.
    """
    if isinstance(error, ProxyFailed):
        return error.reason == "proxy_refused"
    return isinstance(error, ConnectTimedOut) and progress.proxy is ProxyStage.ASKING


_PROXY_WORDS = {
    "proxy_unreachable": "the egress proxy cannot be reached; check RISKRELAY_EGRESS_PROXY and the proxy",
    "proxy_authentication": "the egress proxy rejects the credentials in RISKRELAY_EGRESS_PROXY (407)",
    "proxy_refused": "the egress proxy did not open a tunnel; its log says why",
    "proxy_timeout": "the egress proxy did not open a tunnel in time",
}


def _meaning(cause: Exception, progress: Progress) -> tuple[OutcomeKind, str]:
    """Return the kind and the reason of an exception. Order matters: most of these are OSErrors."""
    local, transient = OutcomeKind.LOCAL, OutcomeKind.TRANSIENT
    match cause:
        case socket.gaierror():
            # EAI_AGAIN and the rest: the resolver is down, refuses or is broken.
            return (transient, "name_not_found") if cause.errno in _NO_SUCH_NAME else (local, "resolver_unavailable")
        case ssl.SSLError() if not isinstance(cause, ssl.SSLEOFError):
            return transient, _tls_reason(cause)
        case TimeoutError() if cause.errno is None:
            return _timeout_meaning(cause, progress)
        case NotHttp():
            return transient, "not_http"
        case OSError() if cause.errno in _NO_DESCRIPTORS:
            return local, "no_descriptors"
        case OSError() if cause.errno in _BY_ERRNO:
            return transient, _BY_ERRNO[cause.errno]
        case ConnectionError() | ssl.SSLEOFError():
            return transient, "connection_lost"
        case OSError():
            return transient, "connection_failed"
        case _:
            return local, "push_failed"


def _timeout_meaning(cause: TimeoutError, progress: Progress) -> tuple[OutcomeKind, str]:
    if progress.is_resolving:
        return OutcomeKind.LOCAL, "resolver_unavailable"
    if not isinstance(cause, ConnectTimedOut):
        return OutcomeKind.TRANSIENT, "timeout"
    if progress.dialled_at is None:
        return OutcomeKind.LOCAL, "no_free_connection"
    return OutcomeKind.TRANSIENT, "timeout_connect"


def _tls_reason(error: ssl.SSLError) -> str:
    if _REFUSES_OURS.search(error.reason or ""):
        return "tls_client_refused"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _TLS_BY_VERIFY_CODE.get(error.verify_code, "tls_failed")
    return "tls_protocol" if _TLS_PROTOCOL.search(error.reason or "") else "tls_failed"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:_DETAIL_CHARACTERS]
