"""Stream documents: create, update (PATCH) and replace (PUT) the configuration of a stream, as pure functions.

The receiver sets `delivery`, `events_requested` and `description`. The transmitter sets the other members; a body that
contains one of them must repeat its value. Rule: SSF 1.0 §8.1.1.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import Integration
from riskrelay.core.ssf.event_types import EVENTS_SUPPORTED
from riskrelay.core.ssf.metadata import DELIVERY_POLL, DELIVERY_PUSH, RISC_POLL, RISC_PUSH
from riskrelay.core.ssf.streams import STANDARD_SPELLING, Configuration, Poll, Push, Spelling, Stream

Body = Mapping[str, Any]

MIN_VERIFICATION_INTERVAL = timedelta(seconds=10)  # guessed: a small load and a short wait
INACTIVITY_TIMEOUT = timedelta(days=30)  # guessed: a receiver without activity for a month is abandoned
_OURS = frozenset(
    {
        "stream_id",
        "iss",
        "aud",
        "events_supported",
        "events_delivered",
        "min_verification_interval",
        "inactivity_timeout",
    }
)
MAX_DESCRIPTION_CHARACTERS = 1_000  # chosen; the rest is cut off, as SSF 1.0 §8.1.1 allows
MAX_EVENTS_REQUESTED = 200  # guessed: many times the number that all profiles define
MAX_URI_CHARACTERS = 2_048  # chosen: as for tenant URLs
MAX_AUTHORIZATION_CHARACTERS = 4_096  # guessed: a large JWT, and half of the usual limit for header fields


@dataclass(frozen=True, slots=True)
class PushRules:
    """Checks and encryption for push endpoints, which depend on settings and keys.

    Attributes:
        url_problem: returns the problem of a URL to push to; None: there is none.
        seal: encrypts an authorization header for storage.
    """

    url_problem: Callable[[str], str | None]
    seal: Callable[[bytes], bytes]


def document(stream: Stream, unseal: Callable[[bytes], bytes] | None) -> dict[str, Any]:
    """Return a receiver's stream as a JSON object.

    Args:
        stream: not an implicit one.
        unseal: decrypts the authorization header; None: the client may not see it, so it is absent.

    Returns: the object, without the members that the receiver omitted.
    Rule: SSF 1.0 §8.1.1.
    """
    configuration = stream.configuration
    assert configuration is not None  # noqa: S101  implicit streams are never shown to receivers
    requested = configuration.events_requested
    whole: dict[str, Any] = {
        **transmitter_supplied(stream),
        "aud": [stream.audience] if configuration.spelling.audience_in_array else stream.audience,
        "delivery": _delivery(stream, unseal),
        "events_requested": None if requested is None else list(requested),
        "description": configuration.description,
    }
    return {name: value for name, value in whole.items() if value is not None}


def transmitter_supplied(stream: Stream) -> dict[str, Any]:
    """Return the members that the transmitter sets. Rule: SSF 1.0 §8.1.1 (Transmitter-Supplied)."""
    return {
        "stream_id": stream.stream_id,
        **_fixed(stream.integration, stream.audience),
        "events_delivered": list(stream.events_delivered),
    }


def created(body: Body, integration: Integration, rules: PushRules) -> Configuration:
    """Return the configuration of a new stream.

    Args:
        body: the request's JSON object; unknown members are ignored.

    Returns: the configuration. `aud` is the integration's tenant; without `delivery` the receiver polls.
    Raises: Invalid: one fault per mistake.
    Rule: SSF 1.0 §8.1.1.1.
    """
    reading = _Reading({name: value for name, value in body.items() if not _is_left_empty(name, value)}, rules)
    reading.compare(_fixed(integration, integration.tenant_url))
    if "stream_id" in reading.body:
        reading.refuse("/stream_id", "the transmitter chooses the stream_id; leave it out, or PATCH the stream")
    made = Configuration(
        audience=integration.tenant_url,
        delivery=reading.delivery(None) or Poll(),
        events_requested=reading.events_requested(),
        description=reading.description(),
    )
    return reading.checked(replace(made, spelling=reading.spelling(STANDARD_SPELLING)))


def patched(body: Body, stream: Stream, rules: PushRules) -> Configuration:
    """Return the configuration after a PATCH. It changes the members of the body (null removes one) and no others.

    Raises: Invalid: one fault per mistake; then nothing is changed.
    Rule: SSF 1.0 §8.1.1.3.
    """
    old = stream.configuration
    assert old is not None  # noqa: S101  as above
    reading = _Reading(body, rules)
    reading.compare(transmitter_supplied(stream))
    made = Configuration(
        audience=old.audience,
        delivery=(reading.delivery(stream) or Poll()) if "delivery" in body else old.delivery,
        events_requested=reading.events_requested() if "events_requested" in body else old.events_requested,
        description=reading.description() if "description" in body else old.description,
    )
    return reading.checked(replace(made, spelling=reading.spelling(old.spelling)))


def replaced(body: Body, stream: Stream, rules: PushRules) -> Configuration:
    """Return the configuration after a PUT. It removes the members that the body does not contain.

    Raises: Invalid: one fault per mistake; then nothing is changed.
    Rule: SSF 1.0 §8.1.1.4; without `delivery` the receiver polls, as in a create.
    """
    old = stream.configuration
    assert old is not None  # noqa: S101  as above
    reading = _Reading(body, rules)
    reading.compare(transmitter_supplied(stream))
    made = Configuration(
        audience=stream.audience,
        delivery=reading.delivery(stream) or Poll(),
        events_requested=reading.events_requested(),
        description=reading.description(),
    )
    return reading.checked(replace(made, spelling=reading.spelling(old.spelling)))


def _fixed(integration: Integration, audience: str) -> dict[str, Any]:
    """Return the members that no request changes."""
    return {
        "iss": integration.issuer,
        "aud": audience,
        "events_supported": list(EVENTS_SUPPORTED),
        "min_verification_interval": int(MIN_VERIFICATION_INTERVAL.total_seconds()),
        "inactivity_timeout": int(INACTIVITY_TIMEOUT.total_seconds()),
    }


def _delivery(stream: Stream, unseal: Callable[[bytes], bytes] | None) -> dict[str, Any]:
    spelling = STANDARD_SPELLING if stream.configuration is None else stream.configuration.spelling
    if stream.is_polled:
        method = RISC_POLL if spelling.risc_methods else DELIVERY_POLL
    else:
        method = RISC_PUSH if spelling.risc_methods else DELIVERY_PUSH
    shown = {spelling.method_member: method, spelling.url_member: stream.endpoint_url}
    sealed = stream.sealed_authorization
    return shown if sealed is None or unseal is None else {**shown, "authorization_header": unseal(sealed).decode()}


def _is_left_empty(name: str, value: Any) -> bool:
    """Return whether a create contains a transmitter's member only because the receiver sends all members it knows."""
    return name in _OURS and (value is None or value in ("", 0) or value == [])


class _Reading:
    """Reads a body. It collects all mistakes; `checked` raises them."""

    def __init__(self, body: Body, rules: PushRules) -> None:
        self.body = body
        self._rules = rules
        self._faults: list[Fault] = []

    def refuse(self, pointer: str, message: str, kind: FaultKind = FaultKind.WRONG_VALUE) -> None:
        self._faults.append(Fault(kind, pointer, message))

    def checked(self, made: Configuration) -> Configuration:
        """Raises: Invalid: something was wrong."""
        if self._faults:
            raise Invalid(self._faults)
        return made

    def compare(self, expected: Mapping[str, Any]) -> None:
        """Refuse a transmitter's member that has another value in the body."""
        for name, value in expected.items():
            if name in self.body and not _same(self.body[name], value):
                shown = ", ".join(value) if isinstance(value, list) else value
                self.refuse(f"/{name}", f"is set by the transmitter: omit it, or send its current value: {shown}")

    def description(self) -> str | None:
        text = self._text(self.body, "description", "/description", allowed="\n\r\t")
        return None if text is None else text[:MAX_DESCRIPTION_CHARACTERS]

    def events_requested(self) -> tuple[str, ...] | None:
        value = self.body.get("events_requested")
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(uri, str) for uri in value):
            self.refuse("/events_requested", "must be an array of event type URIs", FaultKind.WRONG_TYPE)
            return None
        if len(value) > MAX_EVENTS_REQUESTED or any(len(uri) > MAX_URI_CHARACTERS for uri in value):
            limit = f"at most {MAX_EVENTS_REQUESTED} URIs of at most {MAX_URI_CHARACTERS:,} characters"
            self.refuse("/events_requested", f"must have {limit}", FaultKind.TOO_LONG)
        elif any(not uri.isprintable() for uri in value):
            self.refuse("/events_requested", "must not contain control characters")
        return tuple(value)

    def delivery(self, stream: Stream | None) -> Push | Poll | None:
        """Return the delivery that the body asks for; None: there is none, or it is wrong."""
        value = self.body.get("delivery")
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.refuse("/delivery", "must be an object with a method", FaultKind.WRONG_TYPE)
            return None
        spelling = _delivery_spelling(value)
        method = value.get(spelling.method_member)
        if method in (DELIVERY_PUSH, RISC_PUSH):
            return self._push(value, spelling.url_member)
        if method in (DELIVERY_POLL, RISC_POLL):
            return self._poll(value, spelling.url_member, stream)
        pointer = f"/delivery/{spelling.method_member}"
        self.refuse(pointer, f"must be {DELIVERY_PUSH} (push) or {DELIVERY_POLL} (poll)")
        return None

    def spelling(self, old: Spelling) -> Spelling:
        """Return the form of the body; for omitted members, the form that was used before."""
        delivery = self.body.get("delivery")
        spelling = _delivery_spelling(delivery) if isinstance(delivery, Mapping) else old
        in_array = isinstance(self.body["aud"], list) if "aud" in self.body else old.audience_in_array
        return replace(spelling, audience_in_array=in_array)

    def _poll(self, value: Mapping[str, Any], url_member: str, stream: Stream | None) -> Poll:
        """Read a polling delivery. An authorization header has no effect, but must be valid."""
        self._header(value)
        pointer = f"/delivery/{url_member}"
        named = self._text(value, url_member, pointer)
        if stream is not None and named not in (None, "", stream.poll_url):
            self.refuse(pointer, f"is set by the transmitter for polling: {stream.poll_url}")
        elif named is not None and len(named) > MAX_URI_CHARACTERS:
            self._refuse_long_url(pointer)
        return Poll()

    def _push(self, value: Mapping[str, Any], url_member: str) -> Push | None:
        header = self._header(value)
        pointer = f"/delivery/{url_member}"
        url = self._text(value, url_member, pointer)
        if url is None:
            if value.get(url_member) is None:
                message = "is required for push delivery: the URL that events are pushed to"
                self.refuse(pointer, message, FaultKind.REQUIRED)
            return None
        problem = self._rules.url_problem(url)
        if len(url) > MAX_URI_CHARACTERS:
            self._refuse_long_url(pointer)
        elif problem is not None:
            self.refuse(pointer, problem)
        return Push(url, None if header is None or self._faults else self._rules.seal(header.encode()))

    def _refuse_long_url(self, pointer: str) -> None:
        self.refuse(pointer, f"must not be longer than {MAX_URI_CHARACTERS:,}", FaultKind.TOO_LONG)

    def _header(self, value: Mapping[str, Any]) -> str | None:
        header = self._text(value, "authorization_header", "/delivery/authorization_header", allowed="\t")
        if header is not None:
            self._check_header(header)
        return header

    def _check_header(self, header: str) -> None:
        """Check an authorization header. Messages never contain its value, which is a secret.

        Rule: RFC 9110 §5.5 (visible ASCII, inner spaces).
        """
        pointer = "/delivery/authorization_header"
        if len(header) > MAX_AUTHORIZATION_CHARACTERS:
            self.refuse(pointer, f"must not be longer than {MAX_AUTHORIZATION_CHARACTERS:,}", FaultKind.TOO_LONG)
        elif not header.isascii() or not header or header != header.strip():
            self.refuse(pointer, "must be the value of an HTTP header: ASCII, no space around it")

    def _text(self, value: Mapping[str, Any], name: str, pointer: str, allowed: str = "") -> str | None:
        text = value.get(name)
        if text is None:
            return None
        if not isinstance(text, str):
            self.refuse(pointer, "must be a string", FaultKind.WRONG_TYPE)
            return None
        if any(not c.isprintable() and c not in allowed for c in text):
            self.refuse(pointer, "must not contain control characters")
            return None
        return text


def _delivery_spelling(delivery: Mapping[str, Any]) -> Spelling:
    """Return the form of a `delivery`. RISC's older profile names its members delivery_method and url."""
    has_older_method = "method" not in delivery and "delivery_method" in delivery
    method_member = "delivery_method" if has_older_method else "method"
    return Spelling(
        risc_methods=delivery.get(method_member) in (RISC_PUSH, RISC_POLL),
        method_member=method_member,
        url_member="url" if delivery.get("endpoint_url") is None and "url" in delivery else "endpoint_url",
    )


def _same(sent: Any, expected: Any) -> bool:
    """Return whether a member of a body has the transmitter's value.

    An `aud` may be a string or an array. The order of an array does not matter."""
    if isinstance(expected, list):
        return _is_texts(sent) and sorted(sent) == sorted(expected)
    if isinstance(expected, str) and _is_texts(sent):
        return list(sent) == [expected]
    return type(sent) is type(expected) and bool(sent == expected)


def _is_texts(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str) and all(isinstance(v, str) for v in value)
