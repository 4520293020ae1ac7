"""Read requests of receivers: one bounded JSON object, with a message for each fault."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request

from riskrelay.core.errors import Fault, FaultKind, Invalid, NotFound
from riskrelay.core.ssf.events import Jti
from riskrelay.core.ssf.polling import MAX_EVENTS, PollRequest
from riskrelay.core.ssf.receiver_errors import SetError, decoded, read_json, set_error_of
from riskrelay.core.ssf.stream_documents import MAX_DESCRIPTION_CHARACTERS
from riskrelay.core.ssf.streams import StreamId, StreamStatus
from riskrelay.core.ssf.subjects import subject_faults
from riskrelay.web.account_api.bodies import MAX_OBJECT_BYTES, parse, read_body

_OBJECT = TypeAdapter(dict[str, Any])
MAX_STATE_CHARACTERS = 4_096  # guessed: an opaque value, of which a SET must carry the whole

Body = Mapping[str, Any]


async def read_object(request: Request) -> dict[str, Any]:
    """Read the body as a JSON object. Its Content-Type is ignored, because the specifications' examples have none."""
    return parse(_OBJECT, await read_body(request, MAX_OBJECT_BYTES))


async def read_poll(request: Request) -> dict[str, Any]:
    """Read a poll's body as leniently as a response to a push.

    Descriptions of errors have many forms, and must not prevent the settlement of acknowledgements. Of repeated members
    the last one is used.

    Raises: Invalid: it is no JSON object; BodyTooLarge.
    """
    try:
        value, rest = read_json(decoded(await read_body(request, MAX_OBJECT_BYTES)))
    except ValueError:
        raise Invalid([Fault(FaultKind.MALFORMED_BODY, "", "the body is not JSON")]) from None
    if not isinstance(value, dict) or rest.strip():
        raise Invalid([Fault(FaultKind.MALFORMED_BODY, "", "the body must be one JSON object")])
    return value


def stream_id_of(body: Body) -> StreamId:
    """Return the stream that a body names.

    Raises: Invalid: the body names no stream; NotFound: the id has an impossible form.
    """
    value = body.get("stream_id")
    if not isinstance(value, str):
        kind = FaultKind.REQUIRED if value is None else FaultKind.WRONG_TYPE
        raise Invalid([Fault(kind, "/stream_id", "send the stream_id that the create response contained")])
    return _possible(value)


def stream_id_of_query(request: Request) -> StreamId:
    """Return the stream that the query names.

    Raises: Invalid: the query names no stream; NotFound: the id has an impossible form.
    """
    value = request.query_params.get("stream_id")
    if value is None:
        message = "stream_id: send the stream's id in the query: ?stream_id=..."
        raise Invalid([Fault(FaultKind.REQUIRED, "", message)])
    return _possible(value)


def _possible(stream_id: str) -> StreamId:
    if "\0" in stream_id:  # PostgreSQL stores no NUL, so no id has one
        raise NotFound
    return StreamId(stream_id)


def status_of(body: Body) -> tuple[StreamStatus, str | None]:
    """Return the status that a body requests, and its reason.

    Raises: Invalid. Rule: SSF 1.0 §8.1.2.2.
    """
    faults: list[Fault] = []
    reason = _text(body, "reason", faults, MAX_DESCRIPTION_CHARACTERS)
    value = body.get("status")
    if not isinstance(value, str) or value not in list(StreamStatus):
        kind = FaultKind.REQUIRED if value is None else FaultKind.WRONG_VALUE
        faults.insert(0, Fault(kind, "/status", f"must be one of {', '.join(StreamStatus)}"))
    if faults:
        raise Invalid(faults)
    return StreamStatus(str(value)), reason


def subject_of(body: Body) -> dict[str, Any]:
    """Return the subject that a body names.

    Raises: Invalid. Rule: SSF 1.0 §8.1.3.2, §8.1.3.3; RFC 9493.
    """
    if "subject" not in body:
        message = 'send a subject, such as {"format": "email", "email": "kai@example.com"}'
        raise Invalid([Fault(FaultKind.REQUIRED, "/subject", message)])
    faults = subject_faults(body["subject"], ("subject",))
    if not isinstance(body.get("verified", True), bool):
        faults.append(Fault(FaultKind.WRONG_TYPE, "/verified", "must be true or false"))
    if faults:
        raise Invalid(faults)
    subject: dict[str, Any] = body["subject"]
    return subject


def state_of(body: Body) -> str | None:
    """Return the state for the verification event.

    Raises: Invalid. Rule: SSF 1.0 §8.1.4.2.
    """
    value = body.get("state")
    if value is None:
        return None
    if not isinstance(value, str):
        raise Invalid([Fault(FaultKind.WRONG_TYPE, "/state", "must be a string")])
    if len(value) > MAX_STATE_CHARACTERS:
        raise Invalid(
            [Fault(FaultKind.TOO_LONG, "/state", f"must not have more than {MAX_STATE_CHARACTERS:,} characters")]
        )
    return value


def poll_of(body: Body) -> PollRequest:
    """Return the parameters of a poll.

    Raises: Invalid. Rule: RFC 8936 §2.2; unknown members are ignored.
    """
    faults: list[Fault] = []
    wanted = body.get("maxEvents")
    if isinstance(wanted, float) and wanted.is_integer():  # 2.0 is a whole number too (JSON Schema 2020-12 §6.1.1)
        wanted = int(wanted)
    if wanted is not None and (isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 0):
        faults.append(Fault(FaultKind.WRONG_VALUE, "/maxEvents", "must be a whole number, 0 or more"))
    immediately = body.get("returnImmediately")
    if immediately is not None and not isinstance(immediately, bool):
        faults.append(Fault(FaultKind.WRONG_TYPE, "/returnImmediately", "must be true or false"))
    taken = [] if body.get("ack") is None else body["ack"]
    if not isinstance(taken, list) or not all(_is_jti(jti) for jti in taken):
        faults.append(Fault(FaultKind.WRONG_TYPE, "/ack", "must be an array of jti values"))
    refused = _set_errors({} if body.get("setErrs") is None else body["setErrs"], faults)
    if faults:
        raise Invalid(faults)
    most = MAX_EVENTS if wanted is None else min(wanted, MAX_EVENTS)
    return PollRequest(
        max_events=most,
        return_immediately=immediately is True,
        acknowledged=frozenset(Jti(jti) for jti in taken),
        refused=refused,
    )


def _is_jti(value: Any) -> bool:
    """Return whether *value* can be an acknowledged jti: a string whose bytes could be decoded."""
    return isinstance(value, str) and "\N{REPLACEMENT CHARACTER}" not in value


def _set_errors(value: Any, faults: list[Fault]) -> dict[Jti, SetError]:
    """Read the SETs that the receiver refuses. A member without an error code is passed over, so that it does not
    keep the rest of the request from being settled: its SET is handed out again.

    Rule: RFC 8936 §2.4.4: an object by jti, each with err and description.
    """
    if value == []:  # PHP encodes an object without members like this
        return {}
    if not isinstance(value, dict):
        faults.append(Fault(FaultKind.WRONG_TYPE, "/setErrs", "must be an object with jti values as names"))
        return {}
    errors = {Jti(jti): set_error_of(error) for jti, error in value.items()}
    return {jti: error for jti, error in errors.items() if error is not None}


def _text(body: Body, name: str, faults: list[Fault], most: int) -> str | None:
    """Return a text for people, truncated to *most* characters."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        faults.append(Fault(FaultKind.WRONG_TYPE, f"/{name}", "must be a string"))
        return None
    if not all(c.isprintable() or c in "\n\r\t" for c in value):
        faults.append(Fault(FaultKind.WRONG_VALUE, f"/{name}", "must not contain control characters"))
    return value[:most]
