"""Explain failed attempts: what happened and what to do. Decide which texts of a receiver are shown."""

from dataclasses import dataclass

from riskrelay.core.ssf.outcomes import Outcome, OutcomeKind
from riskrelay.core.ssf.streams import Party, Stream


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reason of an attempt means.

    Attributes:
        words: what happened, a sentence without its full stop.
        advice: what to do.
    """

    words: str
    advice: str


_RECEIVER = "check that the receiver runs, and that no firewall blocks this machine"
_PROXY = "check RISKRELAY_EGRESS_PROXY and the proxy's log"
_CERTIFICATE = (
    "fix the receiver's certificate, or trust its certificate authority: riskrelay integration tls ID --ca FILE"
)
_CLIENT = "set a certificate that the receiver accepts: riskrelay integration tls ID --certificate FILE --key FILE"
_REPORT = "see the service's log; if the problem persists, report it"

_EXPLANATIONS = {
    "name_not_found": ("Host name not found", "check the tenant URL and this machine's DNS"),
    "resolver_unavailable": ("The DNS resolver did not respond", "check this machine's DNS"),
    "blocked_address": (
        "The host name resolves to a private or loopback address, which is not allowed",
        "if the receiver is yours, add its network or host to RISKRELAY_ALLOW_TARGETS",
    ),
    "http_not_allowed": ("Security events are not sent over plain HTTP", "use an https URL for the receiver"),
    "bad_url": ("The URL cannot be used", "correct the receiver's URL"),
    "connection_refused": ("Connection refused", _RECEIVER),
    "connection_lost": ("The connection was closed", _RECEIVER),
    "connection_failed": ("The connection failed", _RECEIVER),
    "unreachable": ("There is no route to the address", _RECEIVER),
    "timeout_connect": ("The connection timed out", _RECEIVER),
    "timeout": ("The receiver did not respond in time", _RECEIVER),
    "not_http": ("The server does not use HTTP", "check the port of the receiver's URL"),
    "tls_protocol": ("The server does not support TLS 1.2 or 1.3", "check the port of the receiver's URL"),
    "tls_unknown_ca": ("The receiver's certificate is signed by an untrusted authority", _CERTIFICATE),
    "tls_wrong_host": ("The receiver's certificate is for another host name", _CERTIFICATE),
    "tls_expired": ("The receiver's certificate has expired", "renew the receiver's certificate"),
    "tls_failed": ("The TLS handshake failed", _CERTIFICATE),
    "tls_client_expired": ("The client certificate has expired", _CLIENT),
    "tls_client_refused": ("The receiver rejected the client certificate", _CLIENT),
    "tls_key_unreadable": ("The client certificate's key cannot be read", _CLIENT),
    "wrong_master_key": (
        "The master key does not decrypt the secrets of this receiver",
        "add the key that encrypted them to RISKRELAY_MASTER_KEY",
    ),
    "no_signing_key": ("There is no signing key", "run riskrelay init"),
    "no_descriptors": ("This process has no file descriptors left", "raise LimitNOFILE (ulimit -n)"),
    "no_free_connection": ("No connection was free", "set a limit for slow receivers: riskrelay integration limit ID"),
    "proxy_unreachable": ("The egress proxy cannot be reached", _PROXY),
    "proxy_authentication": ("The egress proxy rejected the credentials", _PROXY),
    "proxy_refused": ("The egress proxy did not open a tunnel", _PROXY),
    "proxy_timeout": ("The egress proxy did not open a tunnel in time", _PROXY),
    "shutting_down": ("The process is stopping", "try again after the restart"),
    "push_failed": ("The push failed because of a local error", _REPORT),
}


def explain(reason: str) -> Explanation:
    """Explain the reason of an attempt that was not answered; of an unknown reason only the code is known.

    >>> explain("name_not_found").words, explain("http_503").words
    ('Host name not found', 'The attempt failed')
    """
    return Explanation(*_EXPLANATIONS.get(reason, ("The attempt failed", _REPORT)))


_CODES = {
    "invalid_request": "malformed event",
    "invalid_key": "unknown signing key",
    "invalid_issuer": "unknown issuer",
    "invalid_audience": "wrong audience",
    "invalid_state": "wrong verification state",
    "authentication_failed": "authentication failed",
    "access_denied": "access denied",
    "unregistered_err": "unregistered error code",
    "bad_request_without_err": "HTTP 400 without an error code",
    "waiting": "waits for an earlier event",
    "later_level_change": "a later level change of the user replaced it",
}
"""Codes of receivers (RFC 8935 §2.4) and of held events. Rule: docs/guides/operate.md."""


def reason_in_words(reason: str) -> str:
    """Put the reason of an attempt in words, with its code, which operators search for.

    >>> reason_in_words("http_503"), reason_in_words("timeout"), reason_in_words("invalid_audience")
    ('HTTP 503', 'the receiver did not respond in time (timeout)', 'wrong audience (invalid_audience)')
    """
    if reason.startswith("http_") and reason[5:].isdecimal():
        return f"HTTP {reason[5:]}"
    words = _CODES.get(reason) or _EXPLANATIONS.get(reason, ("", ""))[0]
    if not words:
        return reason or "unknown"
    return f"{words if reason in _CODES else words[0].lower() + words[1:]} ({reason})"


_REMEDIES = {
    "invalid_request": "Read the receiver's answer to the latest one: it can't parse the event.",
    "invalid_key": "Check that the receiver can fetch the JWKS, then let it load the keys again.",
    "invalid_issuer": "Set the receiver's issuer to the one in the integration's well-known document.",
    "invalid_audience": "Compare the audience (aud) of the stream with the one that the receiver expects.",
    "invalid_state": "Let the receiver request a new verification.",
    "authentication_failed": "Replace the credential that the receiver checks, then resume the integration.",
    "access_denied": "Allow this transmitter at the receiver, then resume the integration.",
}


def remedy_of(reason: str) -> str:
    """Return what to do about events that a receiver refused for good.

    >>> remedy_of("unregistered_err")
    "Read the receiver's answer to the latest one."
    """
    return _REMEDIES.get(reason, "Read the receiver's answer to the latest one.")


def remedy_of_attempt(outcome: Outcome) -> str:
    """Return what to do about the last attempt of an operator who tests the connection.

    >>> remedy_of_attempt(Outcome(kind=OutcomeKind.TRANSIENT, reason="name_not_found"))
    "Check the tenant URL and this machine's DNS."
    >>> remedy_of_attempt(Outcome(kind=OutcomeKind.AUTH, reason="http_401", status=401))
    'Allow this transmitter at the receiver, then send another test event.'
    """
    if outcome.reason in _REMEDIES:
        return _REMEDIES[outcome.reason]
    if outcome.status is None:
        advice = explain(outcome.reason).advice
        return f"{advice[0].upper()}{advice[1:]}."
    if outcome.kind is OutcomeKind.AUTH:
        return "Allow this transmitter at the receiver, then send another test event."
    return "Check the tenant URL and the receiver's log, then send another test event."


WITHHELD = (
    "The text of the receiver is hidden because it may contain personal data. To see it, use a token with the "
    "permission pii-read."
)


def shown_detail(outcome: Outcome, *, may_see_subjects: bool) -> str:
    """Return the text of an attempt that a caller may read.

    Args:
        may_see_subjects: the caller's token allows pii-read.

    Returns: the stored text with pii-read. Without it, no stored text at all: a receiver's answer is replaced by the
        sentence that says why it is left out, and the text of a library by what the reason means. Empty: there is no
        text.

    >>> outcome = Outcome(kind=OutcomeKind.TRANSIENT, reason="timeout", detail="…")
    >>> shown_detail(outcome, may_see_subjects=False)
    'The receiver did not respond in time.'
    """
    if may_see_subjects or not outcome.detail:
        return outcome.detail
    # A refusal in a poll has no status.
    if outcome.status is not None or outcome.kind is OutcomeKind.REJECTED:
        return WITHHELD
    return f"{explain(outcome.reason).words}."


def shown_status_reason(stream: Stream, *, may_see_subjects: bool) -> str | None:
    """Return the reason of a stream's status that a caller may read.

    Returns: a reason of this service always; one that the receiver wrote only with pii-read, else the sentence that
        says why it is left out. None: there is no reason.
    """
    is_withheld = stream.status_set_by is Party.RECEIVER and stream.status_reason is not None and not may_see_subjects
    return WITHHELD if is_withheld else stream.status_reason
