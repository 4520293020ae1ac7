"""Read the error that a receiver reports about a SET, however carelessly it is written (RFC 8935 §2.3, §2.4)."""

import json
import re
from typing import Any, NamedTuple

# The registered error codes: RFC 8935 §2.4, and the one that SSF 1.0 §11 adds for a verification with a wrong state.
REGISTERED_ERRORS = frozenset(
    {
        "invalid_request",
        "invalid_key",
        "invalid_issuer",
        "invalid_audience",
        "authentication_failed",
        "access_denied",
        "invalid_state",
    }
)

TRANSMITTER_ERRORS = frozenset({"authentication_failed", "access_denied"})
"""The codes that are about the transmitter and not about the SET. Rule: RFC 8935 §2.4."""

_MAX_INTEGER_DIGITS = 18  # Python refuses to convert a number of thousands of digits


# The first member of an object that is cut off (its description exceeds what is read) or that is no JSON because its
# description is not escaped.
_FIRST_MEMBER = re.compile(r'\s*\{\s*"err"\s*:\s*"([A-Za-z_]{1,100})"')  # guessed: the longest code has 21


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else float(digits)


# strict=False allows raw line breaks inside a string, which receivers that paste an exception's message into their
# answer send.
_DECODER = json.JSONDecoder(parse_int=_number, strict=False)


class SetError(NamedTuple):
    """Why a receiver refuses a SET. Rule: RFC 8935 §2.3; RFC 8936 §2.4.4.

    Attributes:
        err: the code. Registered codes are in lower case, whatever letter case the receiver used.
        description: what the receiver says for people; empty when it says nothing.
    """

    err: str
    description: str = ""


def read_set_error(body: bytes) -> SetError | None:
    """Read the body of a 400.

    Args:
        body: anything, in any encoding, perhaps cut off at 64 KiB.

    Returns: the error; None when the body reports none.
    Rule: RFC 8935 §2.3. Only `err` decides: nothing that is wrong with the rest of the body hides it.

    >>> read_set_error(b'{"err": "invalid_key", "description": null}')
    SetError(err='invalid_key', description='')
    >>> read_set_error(b"<html>Bad Request</html>")
    """
    text = decoded(body)
    try:
        value, _ = read_json(text)
    except ValueError:
        first = _FIRST_MEMBER.match(text)
        error = None if first is None else SetError(_code(first[1]), text[first.end() :].lstrip(' ,"'))
        # An unregistered code needs a body that can be read: the event is given up for it.
        return error if error is not None and error.err in REGISTERED_ERRORS else None
    return set_error_of(value)


def set_error_of(value: Any) -> SetError | None:
    """Read an error that has been parsed: the body of a 400, or one member of a poll's `setErrs`.

    Returns: None when *value* has no error code. A description that is no text is shown as JSON.
    """
    if not isinstance(value, dict):
        return None
    err = _member(value, "err")
    if not isinstance(err, str) or not err.strip():
        return None
    description = _member(value, "description")
    if description is None:
        description = ""
    elif not isinstance(description, str):
        description = json.dumps(description, ensure_ascii=False)
    return SetError(_code(err), description)


def read_json(text: str) -> tuple[Any, str]:
    """Parse the JSON value that *text* begins with.

    Returns: the value, and what follows it.
    Raises: ValueError: it begins with none, or it nests too deep.
    """
    text = text.lstrip()
    try:
        value, end = _DECODER.raw_decode(text)
    except RecursionError:
        raise ValueError("it nests too deep") from None
    return value, text[end:]


def decoded(body: bytes) -> str:
    """Decode a body of JSON in whatever encoding it is.

    Returns: without a byte order mark. Bytes of another encoding, such as ISO 8859-1, become replacement characters:
        error codes and jti values are ASCII.
    """
    return body.decode(json.detect_encoding(body), errors="replace").lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")


def _member(value: dict[str, Any], name: str) -> Any:
    """Return a member; without one of that name, the one whose name differs in letter case only."""
    if name in value:
        return value[name]
    return next((value[key] for key in value if key.lower() == name), None)


def _code(err: str) -> str:
    """Return a code as it is registered: some receivers write INVALID_KEY."""
    plain = err.strip()
    return plain.lower() if plain.lower() in REGISTERED_ERRORS else plain
