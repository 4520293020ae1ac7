"""A stream as its receiver reads and writes it: create, update (PATCH) and replace (PUT), as pure functions.

Some members are the receiver's (`delivery`, `events_requested`, `description`); the others are ours, and a body that
names one of those must have it right. Rule: SSF 1.0 §8.1.1.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from riskrelay.core.errors import Fault, FaultKind, Invalid
from riskrelay.core.integrations import Integration
from riskrelay.core.ssf.event_types import EVENTS_SUPPORTED
from riskrelay.core.ssf.metadata import DELIVERY_POLL, DELIVERY_PUSH
from riskrelay.core.ssf.streams import Configuration, Poll, Push, Stream

Body = Mapping[str, Any]

MIN_VERIFICATION_INTERVAL = timedelta(seconds=10)  # guessed: no load for us, no wait for a person who tries it out
INACTIVITY_TIMEOUT = timedelta(days=30)  # guessed: a receiver that was silent for a month has been forgotten
MAX_DESCRIPTION_CHARACTERS = 1_000  # chosen; the rest is cut off, as SSF 1.0 §8.1.1 allows
MAX_EVENTS_REQUESTED = 200  # guessed: many times what all profiles define
MAX_URI_CHARACTERS = 2_048  # chosen: as for tenant URLs
MAX_AUTHORIZATION_CHARACTERS = 4_096  # guessed: a large JWT, and half of what servers take as headers


@dataclass(frozen=True, slots=True)
class PushRules:
    """What only the outside knows about a push endpoint.

    Attributes:
        url_problem: what is wrong with a URL to push to; None when nothing is.
        seal: encrypts an authorization header for storage.
    """

    url_problem: Callable[[str], str | None]
    seal: Callable[[bytes], bytes]


def document(stream: Stream, unseal: Callable[[bytes], bytes]) -> dict[str, Any]:
    """A receiver's stream as a JSON object.

    Args:
        stream: not an implicit one.
        unseal: decrypts the authorization header: only the receiver that set it reads this document.

    Returns: members that the receiver left out are absent.
    Rule: SSF 1.0 §8.1.1.
    """
    configuration = stream.configuration
    assert configuration is not None  # noqa: S101  implicit streams are never shown to receivers
    requested = configuration.events_requested
    whole: dict[str, Any] = {
        **transmitter_supplied(stream),
        "delivery": _delivery(stream, unseal),
        "events_requested": None if requested is None else list(requested),
        "description": configuration.description,
    }
    return {name: value for name, value in whole.items() if value is not None}


def transmitter_supplied(stream: Stream) -> dict[str, Any]:
    """The members that are ours. Rule: SSF 1.0 §8.1.1 (Transmitter-Supplied)."""
    return {
        "stream_id": stream.stream_id,
        **_fixed(stream.integration, stream.audience),
        "events_delivered": list(stream.events_delivered),
    }


def created(body: Body, integration: Integration, rules: PushRules) -> Configuration:
    """The configuration of a new stream.

    Args:
        body: the request's JSON object; members that we do not know are ignored.

    Returns: `aud` is the integration's tenant; without `delivery` the receiver polls.
    Raises:  Invalid: one fault per mistake.
    Rule: SSF 1.0 §8.1.1.1.
    """
    reading = _Reading(body, rules)
    reading.compare(_fixed(integration, integration.tenant_url))
    if "stream_id" in body:
        reading.refuse("/stream_id", "the transmitter chooses the stream_id; leave it out, or PATCH the stream")
    made = Configuration(
        integration.tenant_url, reading.delivery(None) or Poll(), reading.events_requested(), reading.description()
    )
    return reading.checked(made)


def patched(body: Body, stream: Stream, rules: PushRules) -> Configuration:
    """The configuration after a PATCH: what the body names is changed (null takes it away), the rest stays.

    Raises: Invalid: one fault per mistake; then nothing is changed.
    Rule: SSF 1.0 §8.1.1.3.
    """
    old = stream.configuration
    assert old is not None  # noqa: S101  as above
    reading = _Reading(body, rules)
    reading.compare(transmitter_supplied(stream))
    made = Configuration(
        old.audience,
        (reading.delivery(stream) or Poll()) if "delivery" in body else old.delivery,
        reading.events_requested() if "events_requested" in body else old.events_requested,
        reading.description() if "description" in body else old.description,
    )
    return reading.checked(made)


def replaced(body: Body, stream: Stream, rules: PushRules) -> Configuration:
    """The configuration after a PUT: what the body does not name is taken away.

    Raises: Invalid: one fault per mistake; then nothing is changed.
    Rule: SSF 1.0 §8.1.1.4; without `delivery` the receiver polls, as when a stream is made.
    """
    reading = _Reading(body, rules)
    reading.compare(transmitter_supplied(stream))
    made = Configuration(
        stream.audience, reading.delivery(stream) or Poll(), reading.events_requested(), reading.description()
    )
    return reading.checked(made)


def _fixed(integration: Integration, audience: str) -> dict[str, Any]:
    """The members that no request changes."""
    return {
        "iss": integration.issuer,
        "aud": audience,
        "events_supported": list(EVENTS_SUPPORTED),
        "min_verification_interval": int(MIN_VERIFICATION_INTERVAL.total_seconds()),
        "inactivity_timeout": int(INACTIVITY_TIMEOUT.total_seconds()),
    }


def _delivery(stream: Stream, unseal: Callable[[bytes], bytes]) -> dict[str, Any]:
    if stream.is_polled:
        return {"method": DELIVERY_POLL, "endpoint_url": stream.endpoint_url}
    pushed = {"method": DELIVERY_PUSH, "endpoint_url": stream.endpoint_url}
    sealed = stream.sealed_authorization
    return pushed if sealed is None else {**pushed, "authorization_header": unseal(sealed).decode()}


class _Reading:
    """A body that is being read; every mistake is kept until `checked`."""

    def __init__(self, body: Body, rules: PushRules) -> None:
        self._body = body
        self._rules = rules
        self._faults: list[Fault] = []

    def refuse(self, pointer: str, message: str, kind: FaultKind = FaultKind.WRONG_VALUE) -> None:
        self._faults.append(Fault(kind, pointer, message))

    def checked(self, made: Configuration) -> Configuration:
        """Raises: Invalid: something was wrong."""
        if self._faults:
            raise Invalid(self._faults)
        return made

    def compare(self, ours: Mapping[str, Any]) -> None:
        """Refuse members of ours that the body has otherwise."""
        for name, value in ours.items():
            if name in self._body and not _same(self._body[name], value):
                shown = ", ".join(value) if isinstance(value, list) else value
                self.refuse(f"/{name}", f"is the transmitter's to say: leave it out, or send what it is now: {shown}")

    def description(self) -> str | None:
        text = self._text(self._body, "description", "/description", allowed="\n\r\t")
        return None if text is None else text[:MAX_DESCRIPTION_CHARACTERS]

    def events_requested(self) -> tuple[str, ...] | None:
        value = self._body.get("events_requested")
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
        """The delivery that the body asks for; None when it names none or a wrong one."""
        value = self._body.get("delivery")
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.refuse("/delivery", "must be an object with a method", FaultKind.WRONG_TYPE)
        elif value.get("method") == DELIVERY_PUSH:
            return self._push(value)
        elif value.get("method") == DELIVERY_POLL:
            return self._poll(value, stream)
        else:
            self.refuse("/delivery/method", f"must be {DELIVERY_PUSH} (push) or {DELIVERY_POLL} (poll)")
        return None

    def _poll(self, value: Mapping[str, Any], stream: Stream | None) -> Poll:
        """A header is of no use when polling, but one that is sent must be one."""
        self._header(value)
        named = self._text(value, "endpoint_url", "/delivery/endpoint_url")
        if stream is not None and named not in (None, stream.poll_url):
            self.refuse("/delivery/endpoint_url", f"is the transmitter's to say when you poll: {stream.poll_url}")
        elif named is not None and len(named) > MAX_URI_CHARACTERS:
            self._refuse_long_url()
        return Poll()

    def _push(self, value: Mapping[str, Any]) -> Push | None:
        header = self._header(value)
        url = self._text(value, "endpoint_url", "/delivery/endpoint_url")
        if url is None:
            if value.get("endpoint_url") is None:
                message = "push needs the URL to which events are pushed"
                self.refuse("/delivery/endpoint_url", message, FaultKind.REQUIRED)
            return None
        problem = self._rules.url_problem(url)
        if len(url) > MAX_URI_CHARACTERS:
            self._refuse_long_url()
        elif problem is not None:
            self.refuse("/delivery/endpoint_url", problem)
        return Push(url, None if header is None or self._faults else self._rules.seal(header.encode()))

    def _refuse_long_url(self) -> None:
        message = f"must not be longer than {MAX_URI_CHARACTERS:,}"
        self.refuse("/delivery/endpoint_url", message, FaultKind.TOO_LONG)

    def _header(self, value: Mapping[str, Any]) -> str | None:
        header = self._text(value, "authorization_header", "/delivery/authorization_header", allowed="\t")
        if header is not None:
            self._check_header(header)
        return header

    def _check_header(self, header: str) -> None:
        """Its value is never part of a message: it is a secret. Rule: RFC 9110 §5.5 (visible ASCII, inner spaces)."""
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


def _same(sent: Any, ours: Any) -> bool:
    """Whether a member of a body is what we say. An `aud` may stand alone or in an array; arrays are sets here."""
    if isinstance(ours, list):
        return _is_texts(sent) and sorted(sent) == sorted(ours)
    if isinstance(ours, str) and _is_texts(sent):
        return list(sent) == [ours]
    return type(sent) is type(ours) and bool(sent == ours)


def _is_texts(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str) and all(isinstance(v, str) for v in value)
